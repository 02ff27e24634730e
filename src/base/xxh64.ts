import { Hash64 } from './hash64.ts'

const PRIME_1 = new Hash64(0x9e3779b1, 0x85ebca87)
const PRIME_2 = new Hash64(0xc2b2ae3d, 0x27d4eb4f)
const PRIME_3 = new Hash64(0x165667b1, 0x9e3779f9)
const PRIME_4 = new Hash64(0x85ebca77, 0xc2b2ae63)
const PRIME_5 = new Hash64(0x27d4eb2f, 0x165667c5)

const STRIPE_BYTES = 32

// Hashing is synchronous and calls nobody: one set of registers serves every call.
const INPUT = new Hash64()
const LANE_A = new Hash64()
const LANE_B = new Hash64()
const LANE_C = new Hash64()
const LANE_D = new Hash64()

/**
 * xxHash64 of a string into `hash`, one byte per character (latin1, as header values are).
 * Characters above U+00FF count with their low byte only. `seed` is an unsigned 32-bit number.
 */
export function xxh64(text: string, hash: Hash64, seed: number = 0): void {
  const length = text.length
  let at = 0
  if (length >= STRIPE_BYTES) {
    at = stripes(text, seed)
    joinLanes(hash)
  } else {
    hash.set(0, seed)
    hash.add(PRIME_5)
  }
  INPUT.set(0, length)
  hash.add(INPUT)
  tail(text, at, hash)
  hash.foldRight(33)
  hash.multiply(PRIME_2)
  hash.foldRight(29)
  hash.multiply(PRIME_3)
  hash.foldRight(32)
}

/** All whole stripes, through four lanes. Returns where the rest begins. */
function stripes(text: string, seed: number): number {
  startLane(LANE_A, seed, PRIME_1)
  LANE_A.add(PRIME_2)
  startLane(LANE_B, seed, PRIME_2)
  LANE_C.set(0, seed)
  LANE_D.set(0, seed)
  LANE_D.subtract(PRIME_1)
  let at = 0
  for (; at <= text.length - STRIPE_BYTES; at += STRIPE_BYTES) {
    readLong(text, at)
    round(LANE_A)
    readLong(text, at + 8)
    round(LANE_B)
    readLong(text, at + 16)
    round(LANE_C)
    readLong(text, at + 24)
    round(LANE_D)
  }
  return at
}

function startLane(lane: Hash64, seed: number, prime: Hash64): void {
  lane.set(0, seed)
  lane.add(prime)
}

/** INPUT is taken into the lane. */
function round(lane: Hash64): void {
  INPUT.multiply(PRIME_2)
  lane.add(INPUT)
  lane.rotate(31)
  lane.multiply(PRIME_1)
}

function joinLanes(hash: Hash64): void {
  hash.set(0, 0)
  addRotated(hash, LANE_A, 1)
  addRotated(hash, LANE_B, 7)
  addRotated(hash, LANE_C, 12)
  addRotated(hash, LANE_D, 18)
  mergeLane(hash, LANE_A)
  mergeLane(hash, LANE_B)
  mergeLane(hash, LANE_C)
  mergeLane(hash, LANE_D)
}

function addRotated(hash: Hash64, lane: Hash64, bits: number): void {
  INPUT.set(lane.high, lane.low)
  INPUT.rotate(bits)
  hash.add(INPUT)
}

function mergeLane(hash: Hash64, lane: Hash64): void {
  INPUT.set(lane.high, lane.low)
  scramble()
  hash.xor(INPUT)
  hash.multiply(PRIME_1)
  hash.add(PRIME_4)
}

/** A round of INPUT in an empty lane. */
function scramble(): void {
  INPUT.multiply(PRIME_2)
  INPUT.rotate(31)
  INPUT.multiply(PRIME_1)
}

/** The last bytes, fewer than a stripe: by eight, by four, by one. */
function tail(text: string, from: number, hash: Hash64): void {
  const length = text.length
  let at = from
  for (; at <= length - 8; at += 8) {
    readLong(text, at)
    scramble()
    hash.xor(INPUT)
    hash.rotate(27)
    hash.multiply(PRIME_1)
    hash.add(PRIME_4)
  }
  if (at <= length - 4) {
    INPUT.set(0, word(text, at))
    INPUT.multiply(PRIME_1)
    hash.xor(INPUT)
    hash.rotate(23)
    hash.multiply(PRIME_2)
    hash.add(PRIME_3)
    at += 4
  }
  for (; at < length; at++) {
    INPUT.set(0, text.charCodeAt(at) & 0xff)
    INPUT.multiply(PRIME_5)
    hash.xor(INPUT)
    hash.rotate(11)
    hash.multiply(PRIME_1)
  }
}

function readLong(text: string, at: number): void {
  INPUT.set(word(text, at + 4), word(text, at))
}

/** Little-endian 32-bit word of four characters. */
function word(text: string, at: number): number {
  return (
    (text.charCodeAt(at) & 0xff) |
    ((text.charCodeAt(at + 1) & 0xff) << 8) |
    ((text.charCodeAt(at + 2) & 0xff) << 16) |
    ((text.charCodeAt(at + 3) & 0xff) << 24)
  )
}
