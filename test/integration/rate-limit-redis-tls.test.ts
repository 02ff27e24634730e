import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { FIXED_WINDOW } from '../../plugins/rate-limit/limit-check.ts'
import { RedisStore } from '../../plugins/rate-limit/redis-store.ts'
import { countRequest } from '../support/counted-requests.ts'
import { freePort } from '../support/free-port.ts'
import { startRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait.ts'

test('Redis over TLS: with its authority it counts, without it is not trusted', async () => {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-redis-tls-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const authority = Authority.create('Redis test authority')
  const pair = authority.issue(['localhost', '127.0.0.1'])
  const path = (name: string): string => join(folder, name)
  await writeFile(path('ca.pem'), authority.certificate)
  await writeFile(path('redis.pem'), pair.certificate)
  await writeFile(path('redis.key'), pair.key)
  const port = await freePort()
  const certificates = ['--tls-cert-file', path('redis.pem'), '--tls-key-file', path('redis.key')]
  const clients = ['--tls-ca-cert-file', path('ca.pem'), '--tls-auth-clients', 'no']
  stack.use(
    await startRedis({ settings: ['--tls-port', String(port), ...certificates, ...clients] }),
  )
  const log: string[] = []
  const url = `rediss://localhost:${port}`
  const trusting = new RedisStore(`${url}?ca=${path('ca.pem')}`, () => {})
  const doubting = new RedisStore(url, (_level, message) => log.push(message))
  stack.defer(() => trusting.close())
  stack.defer(() => doubting.close())
  await waitFor('the connection', () => trusting.status().available, 10_000)
  const quota = { algorithm: FIXED_WINDOW, limit: 1, periodMs: 31_536_000_000, burst: 1 } as const
  const ask = async (): Promise<string> =>
    (await countRequest(trusting, [{ key: 'tls', quota }])).result
  expect([await ask(), await ask()]).toEqual(['admitted', 'refused'])
  await waitFor('the refusal', () => log.length > 0, 10_000)
  expect(log[0]).toMatch(/not available .*(SELF_SIGNED|UNABLE_TO)/)
  expect(doubting.status().available).toBe(false)
})

test('a CA file that is not there is told by its name', () => {
  expect(() => new RedisStore('rediss://localhost?ca=/nowhere/ca.pem', () => {})).toThrow(
    '/nowhere/ca.pem',
  )
})
