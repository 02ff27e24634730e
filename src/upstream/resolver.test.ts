import { afterEach, describe, expect, test } from 'vitest'
import { type DnsAnswer, type DnsServer, startDnsServer } from '../../test/support/dns-server.ts'
import { Resolver } from './resolver.ts'

const opened: { resolver: Resolver; dns: DnsServer }[] = []

afterEach(async () => {
  for (const { resolver, dns } of opened.splice(0)) {
    resolver.close()
    await dns[Symbol.asyncDispose]()
  }
})

async function setUp(
  records: Record<string, DnsAnswer>,
): Promise<{ resolver: Resolver; dns: DnsServer; clock: { nowMs: number } }> {
  const dns = await startDnsServer(records)
  const clock = { nowMs: 0 }
  const resolver = new Resolver({ servers: [dns.address], now: () => clock.nowMs })
  opened.push({ resolver, dns })
  return { resolver, dns, clock }
}

describe('answers', () => {
  test('all A then all AAAA records, with the least TTL', async () => {
    const { resolver } = await setUp({
      'web.test': { a: ['10.0.0.1', '10.0.0.2'], aaaa: ['fd00::1'], ttl: 30 },
    })
    expect(await resolver.resolve('Web.Test.')).toEqual({
      ok: true,
      addresses: ['10.0.0.1', '10.0.0.2', 'fd00::1'],
      ttlMs: 30_000,
    })
  })

  test.each([
    [0, 1_000],
    [1, 1_000],
    [86_400, 3_600_000],
  ])('a TTL of %d s is used for %d ms', async (ttl, ttlMs) => {
    const { resolver } = await setUp({ 'web.test': { a: ['10.0.0.1'], ttl } })
    expect(await resolver.resolve('web.test')).toMatchObject({ ttlMs })
  })

  test.each<[string, DnsAnswer, string, string]>([
    ['NXDOMAIN', { code: 'NXDOMAIN' }, 'ENOTFOUND', 'web.test: the name does not exist (NXDOMAIN)'],
    ['no records', {}, 'ENODATA', 'web.test: the name has no address'],
    ['SERVFAIL', { code: 'SERVFAIL' }, 'ESERVFAIL', 'web.test: the name server failed (SERVFAIL)'],
  ])('%s is a failure that says so', async (_what, record, code, message) => {
    const { resolver } = await setUp({ 'web.test': record })
    expect(await resolver.resolve('web.test')).toEqual({ ok: false, code, message })
  })

  test('only AAAA records are an answer too', async () => {
    const { resolver } = await setUp({ 'web.test': { aaaa: ['fd00::1'] } })
    expect(await resolver.resolve('web.test')).toMatchObject({ addresses: ['fd00::1'] })
  })

  test.each([
    ['10.1.2.3', '10.1.2.3'],
    ['127.1', '127.0.0.1'],
    ['[fd00::1]', 'fd00::1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
  ])('the literal %s needs no question', async (host, address) => {
    const { resolver, dns } = await setUp({})
    expect(await resolver.resolve(host)).toMatchObject({ ok: true, addresses: [address] })
    expect(dns.questions).toEqual([])
  })
})

describe('the cache', () => {
  test('asks again only when the TTL is over, and then follows the change', async () => {
    const { resolver, dns, clock } = await setUp({ 'web.test': { a: ['10.0.0.1'], ttl: 5 } })
    await resolver.resolve('web.test')
    dns.records.set('web.test', { a: ['10.0.0.2'], ttl: 5 })
    clock.nowMs = 4_000
    expect(await resolver.resolve('web.test')).toMatchObject({
      addresses: ['10.0.0.1'],
      ttlMs: 1_000,
    })
    expect(dns.questions).toHaveLength(2)
    clock.nowMs = 5_001
    expect(await resolver.resolve('web.test')).toMatchObject({ addresses: ['10.0.0.2'] })
  })

  test('one question serves all who wait', async () => {
    const { resolver, dns } = await setUp({ 'web.test': { a: ['10.0.0.1'] } })
    const all = await Promise.all(Array.from({ length: 20 }, () => resolver.resolve('web.test')))
    expect(new Set(all.map((resolution) => resolution.ok)).size).toBe(1)
    expect([...dns.questions].sort()).toEqual(['A web.test', 'AAAA web.test'])
  })

  test('a failure is kept for half a second', async () => {
    const { resolver, dns, clock } = await setUp({})
    await resolver.resolve('web.test')
    dns.records.set('web.test', { a: ['10.0.0.1'] })
    expect(await resolver.resolve('web.test')).toMatchObject({ ok: false })
    clock.nowMs = 501
    expect(await resolver.resolve('web.test')).toMatchObject({ ok: true })
  })

  test('known() tells what needs no question', async () => {
    const { resolver } = await setUp({ 'web.test': { a: ['10.0.0.1'], ttl: 5 } })
    expect(resolver.known('web.test')).toBeNull()
    await resolver.resolve('web.test')
    expect(resolver.known('web.test')).toMatchObject({ addresses: ['10.0.0.1'] })
    expect(resolver.known('10.0.0.9')).toMatchObject({ addresses: ['10.0.0.9'] })
  })
})

describe('where names are looked up', () => {
  test('with servers given, neither localhost nor the hosts file is known', async () => {
    const { resolver, dns } = await setUp({ localhost: { a: ['10.9.9.9'] } })
    expect(await resolver.resolve('localhost')).toMatchObject({ addresses: ['10.9.9.9'] })
    expect(dns.questions).toContain('A localhost')
  })

  test.each(['localhost', 'LOCALHOST', 'web.localhost'])(
    'without servers, %s is the loopback address',
    async (name) => {
      const resolver = new Resolver({ servers: [] })
      const resolution = await resolver.resolve(name)
      resolver.close()
      expect(resolution).toMatchObject({ ok: true })
      expect(resolution.ok && resolution.addresses[0]).toBe('127.0.0.1')
    },
  )

  test('a name server that cannot be reached is a failure, not an exception', async () => {
    const dns = await startDnsServer({})
    await dns[Symbol.asyncDispose]()
    const resolver = new Resolver({ servers: [dns.address] })
    const resolution = await resolver.resolve('web.test')
    resolver.close()
    expect(resolution.ok).toBe(false)
  })
})
