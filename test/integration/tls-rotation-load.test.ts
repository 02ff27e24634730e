import { connect as connectH2 } from 'node:http2'
import { expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { call } from '../support/call.ts'
import { startGateway } from '../support/gateway.ts'
import { collect } from '../support/h2-client.ts'
import { httpsGateway, tlsSecret } from '../support/secrets.ts'
import { handshake } from '../support/tls-client.ts'
import { virtualService } from '../support/yaml.ts'

const ROTATIONS = 25
const ROTATION_MS = 100

const authority = Authority.create('Rotation under load')
const ca = authority.certificate
const pairs = [authority.issue(['app.test']), authority.issue(['app.test'])]

const yaml =
  httpsGateway('gw', [{ hosts: ['app.test'], tls: '{ mode: SIMPLE, credentialName: app }' }]) +
  virtualService(
    'app',
    ['app.test'],
    ['gw'],
    '  - { directResponse: { status: 200, body: { string: served } } }',
  )

/** Asks until `done`, one request after another; the outcomes that are not as they should be. */
async function loop(done: () => boolean, ask: () => Promise<string>): Promise<readonly string[]> {
  const failures: string[] = []
  for (let count = 0; !done(); count++) {
    const outcome = await ask().catch((error: unknown) => String(error))
    if (outcome !== '200 served') failures.push(`${count}: ${outcome}`)
  }
  return failures
}

test('certificates that change every 100 ms cost no request of either protocol', async () => {
  await using gw = await startGateway(
    { 'gateway.yaml': yaml, 'secret.yaml': tlsSecret('app', pairs[0]!) },
    { ports: [443] },
  )
  const port = gw.port(443)
  let rotations = 0
  const done = (): boolean => rotations >= ROTATIONS
  const kept = connectH2(`https://127.0.0.1:${port}`, { ca, servername: 'app.test' })
  let closed = false
  kept.once('close', () => (closed = true))
  const overH2 = async (session: typeof kept): Promise<string> => {
    const answer = await collect(session.request({ ':authority': 'app.test', ':path': '/' }))
    return `${answer.status} ${answer.body}`
  }
  const loops = [
    loop(done, () => overH2(kept)),
    loop(done, async () => {
      const session = connectH2(`https://127.0.0.1:${port}`, { ca, servername: 'app.test' })
      const outcome = await overH2(session)
      session.destroy()
      return outcome
    }),
    loop(done, async () => {
      const answer = await call({ port, host: 'app.test', ca })
      return `${answer.status} ${answer.body}`
    }),
  ]
  const serials: string[] = []
  while (!done()) {
    const turn = performance.now() + ROTATION_MS
    gw.write('secret.yaml', tlsSecret('app', pairs[(rotations + 1) % 2]!))
    await gw.reload()
    const seen = await handshake(port, 'app.test', { ca })
    serials.push(seen.ok ? seen.serial : seen.reason)
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, turn - performance.now())))
    rotations++
  }
  expect(await Promise.all(loops)).toEqual([[], [], []])
  expect(closed).toBe(false)
  expect(new Set(serials).size).toBe(2)
  for (const [index, serial] of serials.entries()) {
    if (index > 0) expect(serial).not.toBe(serials[index - 1])
  }
  kept.destroy()
}, 20_000)

test('200 hosts with 200 certificates on one port: each is shown its own', async () => {
  const names = Array.from({ length: 200 }, (_, index) => `h${index}.test`)
  const issued = names.map((name) => authority.issueEcdsa([name]))
  await using gw = await startGateway(
    names.map((_name, index) => tlsSecret(`s${index}`, issued[index]!)).join('') +
      httpsGateway(
        'gw',
        names.map((name, index) => ({
          hosts: [name],
          tls: `{ mode: SIMPLE, credentialName: s${index} }`,
        })),
      ),
    { ports: [443] },
  )
  for (const name of [names[0]!, names[99]!, names[199]!]) {
    expect(await handshake(gw.port(443), name, { ca })).toMatchObject({ ok: true, name })
  }
  const accept = gw.gateway.snapshot?.listeners[0]?.accept
  if (accept?.type !== 'tls') throw new Error('no TLS listener')
  expect(accept.chains.all).toHaveLength(200)
  for (const name of names) expect(accept.chains.bySni.find(name)?.hosts).toEqual([name])
}, 20_000)
