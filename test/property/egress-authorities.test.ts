import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { splitHostPort } from '../../src/base/host-port.ts'
import { PassthroughCluster } from '../../src/clusters/passthrough-cluster.ts'
import { isAuthorityWithPort } from '../../src/http/authority.ts'
import { AddressGuard } from '../../src/upstream/address-guard.ts'
import type { UpstreamFailure } from '../../src/upstream/failure.ts'
import { Resolver } from '../../src/upstream/resolver.ts'

const RUNS = 10_000

/** The first address of a block, and how many bits behind the prefix are free. */
const GUARDED: readonly (readonly [first: number, free: number])[] = [
  [0x7f000000, 24],
  [0x00000000, 24],
  [0x0a000000, 24],
  [0xac100000, 20],
  [0xc0a80000, 16],
  [0xa9fe0000, 16],
  [0xa9fea9fe, 0],
  [0x64400000, 22],
  [0xe0000000, 28],
  [0xf0000000, 28],
]

const guardedNumber = fc
  .tuple(fc.constantFrom(...GUARDED), fc.nat(2 ** 28 - 1))
  .map(([[first, free], bits]) => first + (bits % 2 ** free))

function bytesOf(value: number): number[] {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff)
}

type Base = 'decimal' | 'octal' | 'hex' | 'HEX'

function digits(value: number, base: Base): string {
  if (base === 'decimal') return String(value)
  if (base === 'octal') return `0${value.toString(8)}`
  return base === 'hex' ? `0x${value.toString(16)}` : `0X${value.toString(16).toUpperCase()}`
}

/** One to four parts, each in a base of its own, as inet_aton reads them. */
const oldSpelling = fc
  .tuple(
    guardedNumber,
    fc.integer({ min: 1, max: 4 }),
    fc.array(fc.constantFrom<Base>('decimal', 'octal', 'hex', 'HEX'), {
      minLength: 4,
      maxLength: 4,
    }),
    fc.constantFrom('', '.'),
  )
  .map(([value, parts, bases, dot]) => {
    const bytes = bytesOf(value)
    const written = bytes.slice(0, parts - 1)
    const rest = bytes.slice(parts - 1).reduce((sum, byte) => sum * 256 + byte, 0)
    return [...written, rest].map((part, i) => digits(part, bases[i]!)).join('.') + dot
  })

const hexPair = (value: number): string =>
  `${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}`

/** IPv6 that holds a guarded IPv4 address, or is guarded itself. */
const ipv6Spelling = fc
  .tuple(
    guardedNumber,
    fc.constantFrom(
      (v: number) => `::ffff:${hexPair(v)}`,
      (v: number) => `::FFFF:${bytesOf(v).join('.')}`,
      (v: number) => `0:0:0:0:0:ffff:${hexPair(v)}`,
      (v: number) => `64:ff9b::${hexPair(v)}`,
      (v: number) => `64:ff9b::${bytesOf(v).join('.')}`,
      (v: number) => `2002:${hexPair(v)}::1`,
      (v: number) => `::${hexPair(v)}`,
      (v: number) => `::ffff:0:${hexPair(v)}`,
      (v: number) => `fe80::${hexPair(v)}`,
      (v: number) => `fd00:${hexPair(v)}::9`,
      (v: number) => `ff02::${hexPair(v)}`,
      () => '::1',
      () => '0000:0000:0000:0000:0000:0000:0000:0001',
      () => '::',
    ),
  )
  .map(([value, write]) => `[${write(value)}]`)

const oddName = fc.constantFrom(
  'localhost',
  'LOCALHOST.',
  'a.localhost',
  'LocalHost',
  'x.y.localhost.',
)

/** What other parsers strip, decode or stop at. */
const wrapping = fc.constantFrom(
  (host: string) => host,
  (host: string) => ` ${host}`,
  (host: string) => `user@${host}`,
  (host: string) => `public.test@${host}`,
  (host: string) => `${host}%00`,
  (host: string) => `${host}#public.test`,
  (host: string) => `${host}\t`,
  (host: string) => host.replace(/./, (first) => `%${first.charCodeAt(0).toString(16)}`),
  (host: string) => host.replaceAll('.', '\u3002'),
  (host: string) => host.replace('1', '\u2460'),
)

const authority = fc
  .tuple(
    fc.oneof(oldSpelling, ipv6Spelling, oddName),
    fc.oneof(
      { weight: 3, arbitrary: fc.constant((host: string) => host) },
      { weight: 1, arbitrary: wrapping },
    ),
    fc.integer({ min: 1, max: 65_535 }),
  )
  .map(([host, wrap, port]) => `${wrap(host)}:${port}`)

let cluster: PassthroughCluster
let resolver: Resolver

beforeAll(() => {
  resolver = new Resolver({ servers: [], hostsFile: true })
  cluster = new PassthroughCluster({ resolver, guard: new AddressGuard({}) })
})

afterAll(() => {
  cluster.close()
  resolver.close()
})

function failureOf(host: string, port: number): Promise<UpstreamFailure | null> {
  return new Promise((resolve) => {
    const attempt = cluster.startTunnel(host, port, {
      onUpstreamReady: () => {
        attempt.abort()
        resolve(null)
      },
      onUpstreamInformational: () => undefined,
      onUpstreamHead: () => undefined,
      onUpstreamBody: () => undefined,
      onUpstreamEnd: () => undefined,
      onUpstreamDrain: () => undefined,
      onUpstreamFailure: resolve,
    })
  })
}

test('however a guarded address is spelled, it is no authority or it is not dialled', async () => {
  let dialled = 0
  await fc.assert(
    fc.asyncProperty(authority, async (text) => {
      if (!isAuthorityWithPort(text)) return
      dialled++
      const { host, port } = splitHostPort(text)
      const failed = await failureOf(host, port!)
      expect([text, failed?.type]).toEqual([text, 'address-refused'])
    }),
    { numRuns: RUNS },
  )
  expect(cluster.counters.cxTotal).toBe(0)
  // The property would say nothing if hardly any spelling were accepted.
  expect(dialled).toBeGreaterThan(RUNS / 2)
})
