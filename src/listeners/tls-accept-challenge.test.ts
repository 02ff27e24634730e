import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { handshake } from '../../test/support/tls-client.ts'
import { type PendingChallenge, PendingChallenges } from '../base/pending-challenges.ts'
import { SecretText } from '../base/secret-text.ts'
import { HostTable } from '../routing/host-table.ts'
import { TlsChainPlan } from '../snapshot/listener-plan.ts'
import type { ServerTlsPlan } from '../tls/plan.ts'
import { ServerContexts } from '../tls/server-context.ts'
import { acceptTls } from './tls-accept.ts'

const authority = Authority.create('Test')
const own = authority.issue(['a.test', 'b.test'])
const shown = authority.issue(['shown.test'])

const tls: ServerTlsPlan = {
  certificates: [
    {
      kind: 'pem',
      name: 'own',
      certificate: own.certificate,
      key: new SecretText(own.key),
    },
  ],
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: null,
  alpn: ['h2', 'http/1.1'],
}
const http = { name: 'none', hosts: new HostTable<never>([]), gateways: [], authenticator: null }
const chain = new TlsChainPlan({ name: 'own', gateway: 'default/gw', hosts: ['*'], tls, http })

let server: Server
let port: number
let challenges: PendingChallenges
let served: string[]
let refused: string[]

beforeEach(async () => {
  challenges = new PendingChallenges()
  served = []
  refused = []
  const contexts = new ServerContexts({ onProblem: () => undefined })
  server = createServer({ allowHalfOpen: true }, (socket) =>
    acceptTls(socket, {
      contexts,
      settings: () => ({ tlsHandshakeTimeoutMs: 10_000, bufferBytes: 32_768 }),
      chains: () => ({ bySni: new HostTable([['*', chain]]), all: [chain] }),
      challenges: () => challenges,
      onSecure: (secure) => {
        served.push(secure.alpnProtocol || 'none')
        secure.on('error', () => undefined)
        secure.end()
      },
      onPassThrough: (passed) => passed.destroy(),
      onRefused: ({ reason, serverName }) => refused.push(`${reason} ${serverName}`),
    }),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})

afterEach(async () => {
  server.close()
  await once(server, 'close')
})

function pending(host: string, pair: { certificate: string; key: string }): PendingChallenge {
  const shownPair = { certificate: pair.certificate, key: new SecretText(pair.key) }
  return { token: host, host, keyAuthorization: 'x', handshake: shownPair }
}

function shake(name: string, protocols: readonly string[]) {
  return handshake(port, name, { rejectUnauthorized: false, ALPNProtocols: [...protocols] })
}

test('a pending challenge is shown to who offers acme-tls/1 alone, and nothing is served', async () => {
  challenges.replace([pending('a.test', shown)])
  expect(await shake('A.test', ['acme-tls/1'])).toMatchObject({
    ok: true,
    name: 'shown.test',
    alpn: 'acme-tls/1',
  })
  expect(served).toEqual([])
})

const ordinary: [what: string, name: string, protocols: readonly string[], alpn: string][] = [
  ['who offers other protocols as well', 'a.test', ['acme-tls/1', 'http/1.1'], 'http/1.1'],
  ['who offers none of it', 'a.test', ['h2'], 'h2'],
]
test.each(ordinary)('%s is served as ever', async (_what, name, protocols, alpn) => {
  challenges.replace([pending('a.test', shown)])
  expect(await shake(name, protocols)).toMatchObject({ ok: true, name: 'a.test', alpn })
})

test('acme-tls/1 for a name without pending challenge is not agreed on', async () => {
  challenges.replace([pending('a.test', shown)])
  expect(await shake('b.test', ['acme-tls/1'])).toMatchObject({ ok: false })
  expect(refused).toEqual(['handshake-failed b.test'])
})

test('a challenge that is no key pair is refused, not a crash', async () => {
  challenges.replace([pending('a.test', { certificate: 'none', key: 'none' })])
  expect(await shake('a.test', ['acme-tls/1'])).toMatchObject({ ok: false })
  expect(refused).toEqual(['no-certificate a.test'])
})
