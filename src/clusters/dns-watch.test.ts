import { expect, test, vi } from 'vitest'
import { startDnsServer } from '../../test/support/dns-server.ts'
import { Resolver } from '../upstream/resolver.ts'
import { DnsWatch } from './dns-watch.ts'

const noJitter = (): number => 0

async function watch(refreshMs: number): Promise<{ delays: number[]; close(): Promise<void> }> {
  const delays: number[] = []
  const dns = await startDnsServer({ 'web.test': { code: 'SERVFAIL' } })
  let now = 0
  const resolver = new Resolver({ servers: [dns.address], now: () => now })
  const real = globalThis.setTimeout
  const spy = vi.spyOn(globalThis, 'setTimeout').mockImplementation(((
    run: () => void,
    delayMs = 0,
  ) => {
    if (delayMs < 1_000) return real(run, delayMs)
    delays.push(delayMs)
    now += delayMs
    return real(delays.length < 6 ? run : () => {}, 0)
  }) as typeof setTimeout)
  const { promise, resolve } = Promise.withResolvers<void>()
  let answers = 0
  const dnsWatch = new DnsWatch('web.test', resolver, noJitter, {
    refreshMs,
    onAnswer: () => {
      if (++answers === 6) resolve()
    },
  })
  await promise
  spy.mockRestore()
  return {
    delays,
    async close() {
      dnsWatch.close()
      resolver.close()
      await dns[Symbol.asyncDispose]()
    },
  }
}

test.each([
  ['ends at dnsRefreshRate', 4_000, [1_000, 2_000, 4_000, 4_000, 4_000, 4_000]],
  ['is never less than a second', 10, [1_000, 1_000, 1_000, 1_000, 1_000, 1_000]],
])('the delay after failed lookups doubles and %s', async (_what, refreshMs, expected) => {
  const { delays, close } = await watch(refreshMs)
  expect(delays).toEqual(expected)
  await close()
})
