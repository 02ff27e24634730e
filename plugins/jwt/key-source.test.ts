import { expect, test } from 'vitest'
import { keySet, startIssuer, testKey, type TestKey } from '../../test/support/jwt.ts'
import { waitFor } from '../../test/support/wait.ts'
import type { KeySet } from './key-set.ts'
import { REFRESH_MS, RemoteKeys, RETRY_MS, UNKNOWN_KEY_MS } from './key-source.ts'
import { JwtStats } from './stats.ts'
import { parseToken, Token } from './token.ts'

const [first, second] = await Promise.all([testKey('first'), testKey('second')])

class Clock {
  ms = 0
}

function remote(url: string, clock: Clock, log: string[] = []): RemoteKeys {
  return new RemoteKeys({
    place: { url, discovers: false },
    timeoutMs: 2_000,
    now: () => clock.ms,
    stats: new JwtStats(),
    log: (level, message) => log.push(`${level} ${message}`),
  })
}

async function verifies(keys: KeySet | null, key: TestKey): Promise<boolean> {
  const token = parseToken(await key.sign({ iss: 'me' }))
  if (!(token instanceof Token)) throw new Error('no token')
  return keys !== null && (await keys.verify(token)) === null
}

test('keys are renewed in the background after 20 minutes, the old ones serve meanwhile', async () => {
  await using issuer = await startIssuer(keySet(first))
  const clock = new Clock()
  const keys = remote(`${issuer.url}/keys`, clock)
  const loaded = await keys.load()
  clock.ms = REFRESH_MS - 1
  expect(keys.current()).toBe(loaded)
  expect(issuer.asked).toHaveLength(1)
  issuer.answer = keySet(second)
  clock.ms = REFRESH_MS
  expect(keys.current()).toBe(loaded)
  await waitFor('new keys', () => keys.current() !== loaded)
  expect(await verifies(keys.current(), second)).toBe(true)
  expect(await verifies(keys.current(), first)).toBe(false)
})

test('equal keys stay the same object, so that verified tokens stay verified', async () => {
  await using issuer = await startIssuer(keySet(first))
  const clock = new Clock()
  const keys = remote(`${issuer.url}/keys`, clock)
  const loaded = await keys.load()
  clock.ms = REFRESH_MS
  keys.current()
  await waitFor('a second fetch', () => issuer.asked.length === 2)
  expect(await keys.load()).toBe(loaded)
})

test('a fetch that fails leaves the last keys, and is not repeated at once', async () => {
  await using issuer = await startIssuer(keySet(first))
  const clock = new Clock()
  const log: string[] = []
  const keys = remote(`${issuer.url}/keys`, clock, log)
  const loaded = await keys.load()
  issuer.answer = 'gone'
  clock.ms = REFRESH_MS
  keys.current()
  await waitFor('the failure', () => log.length === 1)
  for (let i = 0; i < 5; i++) expect(keys.current()).toBe(loaded)
  expect(issuer.asked).toHaveLength(2)
  issuer.answer = keySet(first)
  clock.ms += RETRY_MS
  keys.current()
  await waitFor('the end of the failure', () => log.length === 2)
  expect(log[0]).toMatch(
    /^warn keys of tokens cannot be fetched from .*the last ones keep serving$/,
  )
  expect(log[1]).toMatch(/^info/)
})

test('without keys a fetch that failed is repeated after a pause', async () => {
  await using issuer = await startIssuer('gone')
  const clock = new Clock()
  const keys = remote(`${issuer.url}/keys`, clock)
  expect(await keys.load()).toBeNull()
  issuer.answer = keySet(first)
  expect(await keys.load()).toBeNull()
  expect(issuer.asked).toHaveLength(1)
  clock.ms = RETRY_MS
  expect(await verifies(await keys.load(), first)).toBe(true)
})

test('unknown keys lead to one fetch in an interval, whoever asks', async () => {
  await using issuer = await startIssuer(keySet(first))
  const clock = new Clock()
  const keys = remote(`${issuer.url}/keys`, clock)
  const known = (await keys.load())!
  expect(await Promise.all([keys.newerThan(known), keys.newerThan(known)])).toEqual([null, null])
  expect(issuer.asked).toHaveLength(2)
  issuer.answer = keySet(first, second)
  clock.ms = UNKNOWN_KEY_MS - 1
  expect(await keys.newerThan(known)).toBeNull()
  expect(issuer.asked).toHaveLength(2)
  clock.ms = UNKNOWN_KEY_MS
  const newer = await keys.newerThan(known)
  expect(await verifies(newer, second)).toBe(true)
  expect(await keys.newerThan(known)).toBe(newer)
  expect(issuer.asked).toHaveLength(3)
})

test('close ends what is being fetched', async () => {
  await using issuer = await startIssuer(() => undefined)
  const keys = remote(`${issuer.url}/keys`, new Clock())
  const loading = keys.load()
  await waitFor('the fetch', () => issuer.asked.length === 1)
  keys.close()
  expect(await loading).toBeNull()
})

test('a redirect is followed, to https or from http only', async () => {
  await using target = await startIssuer(keySet(first))
  await using issuer = await startIssuer((_request, response) => {
    response.writeHead(302, { location: `${target.url}/keys` }).end()
  })
  const keys = remote(`${issuer.url}/keys`, new Clock())
  expect(await verifies(await keys.load(), first)).toBe(true)
})
