import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Hash64 } from './hash64.ts'
import { xxh64 } from './xxh64.ts'

const MASK = 2n ** 64n - 1n

function valueOf({ high, low }: Hash64): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
}

function hash64(value: bigint): Hash64 {
  return new Hash64(Number(value >> 32n), Number(value & 0xffffffffn))
}

function digest(text: string, seed: number = 0): bigint {
  const hash = new Hash64(1, 2)
  xxh64(text, hash, seed)
  return valueOf(hash)
}

describe('xxHash64', () => {
  // Published test values.
  test.each([
    ['', 0xef46db3751d8e999n],
    ['a', 0xd24ec4f1a98c6e5bn],
    ['abc', 0x44bc2cf5ad770999n],
    ['Nobody inspects the spammish repetition', 0xfbcea83c8a378bf1n],
  ])('of %j is the published value', (text, expected) => {
    expect(digest(text)).toBe(expected)
  })

  test('agrees with the specification computed in bigints, for any length and seed', () => {
    const bytes = fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)),
      maxLength: 110,
      size: 'max',
    })
    fc.assert(
      fc.property(bytes, fc.integer({ min: 0, max: 2 ** 32 - 1 }), (text, seed) => {
        expect(digest(text, seed)).toBe(specified(text, BigInt(seed)))
      }),
      { numRuns: 300 },
    )
  })

  test('every character of a long key counts', () => {
    const base = '10.0.0.1:8080_1234567890abcdef/0123456789'
    const hashes = new Set([digest(base)])
    for (let i = 0; i < base.length; i++) {
      hashes.add(digest(`${base.slice(0, i)}~${base.slice(i + 1)}`))
    }
    expect(hashes.size).toBe(base.length + 1)
  })
})

describe('arithmetic of 64 bits', () => {
  const word = fc.bigInt({ min: 0n, max: MASK })
  const operations: [
    name: string,
    run: (left: Hash64, right: Hash64) => void,
    expected: (left: bigint, right: bigint) => bigint,
  ][] = [
    ['add', (left, right) => left.add(right), (left, right) => left + right],
    ['subtract', (left, right) => left.subtract(right), (left, right) => left - right],
    ['multiply', (left, right) => left.multiply(right), (left, right) => left * right],
    ['xor', (left, right) => left.xor(right), (left, right) => left ^ right],
    ['rotate by 1', (left) => left.rotate(1), (left) => (left << 1n) | (left >> 63n)],
    ['rotate by 31', (left) => left.rotate(31), (left) => (left << 31n) | (left >> 33n)],
    ['fold by 29', (left) => left.foldRight(29), (left) => left ^ (left >> 29n)],
    ['fold by 32', (left) => left.foldRight(32), (left) => left ^ (left >> 32n)],
    ['fold by 33', (left) => left.foldRight(33), (left) => left ^ (left >> 33n)],
  ]
  test.each(operations)('%s', (_name, run, expected) => {
    fc.assert(
      fc.property(word, word, (left, right) => {
        const result = hash64(left)
        run(result, hash64(right))
        expect(valueOf(result)).toBe(expected(left, right) & MASK)
      }),
      { numRuns: 300 },
    )
  })

  test('remainder', () => {
    fc.assert(
      fc.property(word, fc.integer({ min: 1, max: 2 ** 26 - 1 }), (value, divisor) => {
        expect(hash64(value).modulo(divisor)).toBe(Number(value % BigInt(divisor)))
      }),
      { numRuns: 300 },
    )
  })
})

const PRIMES = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
] as const

const rotated = (value: bigint, bits: bigint): bigint =>
  ((value << bits) | (value >> (64n - bits))) & MASK
const round = (lane: bigint, input: bigint): bigint =>
  (rotated((lane + input * PRIMES[1]) & MASK, 31n) * PRIMES[0]) & MASK

function littleEndian(text: string, at: number, bytes: number): bigint {
  let value = 0n
  for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(text.charCodeAt(at + i))
  return value
}

/** XXH64 step by step, as its specification words it. */
function specified(text: string, seed: bigint): bigint {
  const [one, two, three, four, five] = PRIMES
  let at = 0
  let hash = (seed + five) & MASK
  if (text.length >= 32) {
    const lanes = [seed + one + two, seed + two, seed, seed - one].map((lane) => lane & MASK)
    for (; at <= text.length - 32; at += 32) {
      for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i]!, littleEndian(text, at + 8 * i, 8))
    }
    const turns = [1n, 7n, 12n, 18n] as const
    hash = lanes.reduce((sum, lane, i) => sum + rotated(lane, turns[i]!), 0n) & MASK
    for (const lane of lanes) hash = ((hash ^ round(0n, lane)) * one + four) & MASK
  }
  hash = (hash + BigInt(text.length)) & MASK
  for (; at <= text.length - 8; at += 8) {
    hash = (rotated(hash ^ round(0n, littleEndian(text, at, 8)), 27n) * one + four) & MASK
  }
  if (at <= text.length - 4) {
    hash = (rotated(hash ^ ((littleEndian(text, at, 4) * one) & MASK), 23n) * two + three) & MASK
    at += 4
  }
  for (; at < text.length; at++) {
    hash = (rotated(hash ^ ((littleEndian(text, at, 1) * five) & MASK), 11n) * one) & MASK
  }
  hash = ((hash ^ (hash >> 33n)) * two) & MASK
  hash = ((hash ^ (hash >> 29n)) * three) & MASK
  return hash ^ (hash >> 32n)
}
