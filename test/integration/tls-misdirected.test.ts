import { connect as connectH2 } from 'node:http2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { collect } from '../support/h2-client.ts'
import { httpsGateway, secret, tlsSecret } from '../support/secrets.ts'
import { openTls, readTls } from '../support/tls-client.ts'
import { virtualService } from '../support/yaml.ts'

const authority = Authority.create('Misdirected')
const clients = Authority.create('Misdirected clients')
const ca = authority.certificate
const wild = authority.issue(['*.shop.test', '*.bank.test'])
const own = authority.issue(['own.shop.test'])
const alone = authority.issue(['alone.test'])
const alice = clients.issue(['alice.test'])
const client = { cert: alice.certificate, key: alice.key }

const answer = (name: string, host: string): string =>
  virtualService(
    name,
    [host],
    ['gw'],
    `  - { directResponse: { status: 200, body: { string: ${name} } } }`,
  )

const resources = (open: string): string =>
  secret('wild', {
    'tls.crt': wild.certificate,
    'tls.key': wild.key,
    'ca.crt': clients.certificate,
  }) +
  tlsSecret('own', own) +
  tlsSecret('alone', alone) +
  httpsGateway('gw', [
    { hosts: ['open.shop.test'], tls: open },
    { hosts: ['own.shop.test'], tls: '{ mode: SIMPLE, credentialName: own }' },
    { hosts: ['alone.test'], tls: '{ mode: SIMPLE, credentialName: alone }' },
    {
      hosts: ['new.shop.test'],
      tls: '{ mode: SIMPLE, credentialName: wild, minProtocolVersion: TLSV1_3 }',
    },
    { hosts: ['vault.bank.test'], tls: '{ mode: MUTUAL, credentialName: wild }' },
    { hosts: ['safe.bank.test'], tls: '{ mode: MUTUAL, credentialName: wild }' },
    {
      hosts: ['named.bank.test'],
      tls: '{ mode: MUTUAL, credentialName: wild, subjectAltNames: [bob.test] }',
    },
    { hosts: ['*.bank.test'], tls: '{ mode: SIMPLE, credentialName: wild }' },
  ]) +
  answer('open', 'open.shop.test') +
  answer('own', 'own.shop.test') +
  answer('alone', 'alone.test') +
  answer('new', 'new.shop.test') +
  answer('vault', 'vault.bank.test') +
  answer('safe', 'safe.bank.test') +
  answer('named', 'named.bank.test') +
  answer('wildcard', '*.bank.test')

const SIMPLE = '{ mode: SIMPLE, credentialName: wild }'
let gw: TestGateway
let port = 0

beforeAll(async () => {
  gw = await startGateway(resources(SIMPLE), { ports: [443] })
  port = gw.port(443)
})
afterAll(() => gw[Symbol.asyncDispose]())

const rows: [what: string, sni: string, host: string, outcome: string][] = [
  ['its own host', 'open.shop.test', 'open.shop.test', '200 open'],
  [
    'a host whose own certificate differs, but the shown one covers it',
    'open.shop.test',
    'own.shop.test',
    '200 own',
  ],
  ['a host that the shown certificate does not cover', 'own.shop.test', 'open.shop.test', '421 '],
  ['a host of another certificate altogether', 'open.shop.test', 'alone.test', '421 '],
  ['a host that wants a newer version', 'open.shop.test', 'new.shop.test', '421 '],
  ['a host that wants a client certificate', 'open.shop.test', 'vault.bank.test', '421 '],
  ['the same from a server whose wildcard covers it', 'any.bank.test', 'vault.bank.test', '421 '],
  [
    'a host with the same client certificate rules',
    'vault.bank.test',
    'safe.bank.test',
    '200 safe',
  ],
  ['a host with other client certificate rules', 'vault.bank.test', 'named.bank.test', '421 '],
  [
    'a host without them, from a verified connection',
    'vault.bank.test',
    'x.bank.test',
    '200 wildcard',
  ],
  ['a host that nobody has', 'open.shop.test', 'nowhere.test', '404 '],
]

describe('a request over a connection that was opened for another host', () => {
  test.each(rows)('HTTP/2: %s', async (_what, sni, host, outcome) => {
    const session = connectH2(`https://127.0.0.1:${port}`, { ca, servername: sni, ...client })
    session.on('error', () => {})
    const answer = await collect(session.request({ ':authority': host, ':path': '/' }))
    expect(`${answer.status} ${answer.body}`).toBe(outcome)
    session.destroy()
  })

  test.each(rows)('HTTP/1.1: %s', async (_what, sni, host, outcome) => {
    const head = `GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`
    const text = await readTls(port, sni, { ca, ...client }, head)
    expect(`${text.slice(9, 12)} ${text.slice(text.indexOf('\r\n\r\n') + 4)}`).toBe(outcome)
  })
})

test('a server that begins to ask for client certificates lets no older connection in', async () => {
  await using other = await startGateway(resources(SIMPLE), { ports: [443] })
  const session = connectH2(`https://127.0.0.1:${other.port(443)}`, {
    ca,
    servername: 'open.shop.test',
  })
  session.on('error', () => {})
  const ask = async (): Promise<number> =>
    (await collect(session.request({ ':authority': 'open.shop.test', ':path': '/' }))).status
  expect(await ask()).toBe(200)
  other.write('config.yaml', resources('{ mode: MUTUAL, credentialName: wild }'))
  await other.reload()
  expect(await ask()).toBe(421)
  session.destroy()
})

describe('session tickets', () => {
  /** A session of one host, offered to another: was it resumed? */
  async function resumed(from: string, to: string): Promise<boolean> {
    const options = { ca, ...client, maxVersion: 'TLSv1.2' as const }
    const first = await openTls(port, from, options)
    const session = first.getSession()
    first.destroy()
    const second = await openTls(port, to, { ...options, session })
    const reused = second.isSessionReused()
    second.destroy()
    return reused
  }

  test('are good for the server that gave them', async () => {
    expect(await resumed('open.shop.test', 'open.shop.test')).toBe(true)
  })

  test.each([
    ['a server that asks for client certificates', 'open.shop.test', 'vault.bank.test'],
    ['from there to one that does not', 'vault.bank.test', 'x.bank.test'],
    ['other client certificate rules', 'vault.bank.test', 'named.bank.test'],
    ['the same one, whose client is verified again', 'vault.bank.test', 'vault.bank.test'],
    ['another certificate', 'open.shop.test', 'alone.test'],
  ])('are not for %s', async (_what, from, to) => {
    const outcome = await resumed(from, to).catch(() => false)
    expect(outcome).toBe(false)
  })
})
