import { afterAll, beforeAll, expect, test } from 'vitest'
import { ACCESS_LOG_MESH, loggedExchanges } from '../support/access-log.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { HostileBackend } from '../support/hostile-backend.ts'
import { waitFor } from '../support/wait.ts'
import { readAnswers, replay } from '../support/wire-client.ts'
import { Sentinel, wireRoutes } from '../support/wire-gateway.ts'
import { lines } from './corpus/case.ts'
import { type HostileCase, hostileCases } from './hostile-cases.ts'

let backend: HostileBackend
let gateway: TestGateway
let sentinels: readonly Sentinel[]

beforeAll(async () => {
  backend = await HostileBackend.start()
  gateway = await startGateway(ACCESS_LOG_MESH + wireRoutes(backend.port), { ports: [80] })
  sentinels = [new Sentinel(gateway.port(80)), new Sentinel(gateway.port(80))]
})

afterAll(async () => {
  for (const sentinel of sentinels) sentinel.close()
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

const numbered = hostileCases.map((hostile, i) => ({ ...hostile, path: `/evil/${i}` }))

function requestOf(hostile: HostileCase, path: string): string {
  const { method = 'GET', host = 'shop.test', fields = [], sends = '' } = hostile
  const { announced = sends.length } = hostile
  const framing = announced > 0 ? [`Content-Length: ${announced}`] : []
  return lines(`${method} ${path} HTTP/1.1`, `Host: ${host}`, ...fields, ...framing, '') + sends
}

async function checkBoth(times: number): Promise<void> {
  for (let i = 0; i < times; i++) await Promise.all(sentinels.map((each) => each.check()))
}

test.each(numbered)('$name', async (hostile) => {
  backend.script = hostile.script
  backend.spoils = hostile.reusable !== true
  backend.reused.length = 0
  await checkBoth(1)
  const others = hostile.later === undefined ? checkBoth(5) : Promise.resolve()
  const port = gateway.port(80)
  const { text, clean } = await replay([requestOf(hostile, hostile.path)], {
    port,
    // Who waits for the rest of a body must not look like a client that left.
    ending: hostile.announced === undefined ? 'half-close' : 'wait',
  })
  await others
  hostile.later?.(backend.struck!)
  await waitFor('the gateway to leave', () =>
    backend.peers.every(({ spoiled, left }) => !spoiled || left),
  )
  await checkBoth(3)

  expect(backend.reused, 'requests over a connection in doubt').toEqual([])
  expect(text).not.toContain('poisoned')
  if (hostile.status === null) {
    expect(clean, 'a cut answer looks complete').toBe(false)
    if (text !== '') expect(() => readAnswers(text)).toThrow()
    return
  }
  const answers = readAnswers(text, [hostile.method ?? 'GET'])
  const last = answers.at(-1)!
  expect(answers.filter(({ status }) => status >= 200)).toHaveLength(1)
  expect(last.status).toBe(hostile.status)
  if (hostile.body !== undefined) expect(last.body).toBe(hostile.body)
})

test('the access log tells what each of them did', async () => {
  const logged = await loggedExchanges(
    gateway,
    numbered.map(({ path }) => path),
  )
  expect(
    numbered.map(({ name, path }) => [name, logged.get(path)!.status, logged.get(path)!.flags]),
  ).toEqual(numbered.map(({ name, status, flags }) => [name, String(status ?? 200), flags]))
})

test('nothing is left of any of them', async () => {
  await waitFor('no exchange', () => gateway.gateway.activeExchanges === 0)
  await waitFor('no connection but idle ones', () => backend.open <= sentinels.length)
})
