import { expect, test } from 'vitest'
import type { TlsChainPlan } from '../../src/snapshot/listener-plan.ts'
import { Simulation } from '../support/simulate.ts'

interface Shape {
  readonly annotations?: Readonly<Record<string, string>>
  readonly hosts?: string
  readonly tls?: string
  readonly port?: number
  readonly plainPort?: number
  readonly protocol?: string
}

const ON = { 'tidegate.dev/acme': 'true' }

function gateway(shape: Shape): string {
  const { annotations = ON, hosts = '[a.test]', tls = '{ mode: SIMPLE }' } = shape
  const { port = 443, plainPort, protocol = 'HTTPS' } = shape
  const plain =
    plainPort === undefined
      ? ''
      : `  - { port: { number: ${plainPort}, name: http, protocol: HTTP }, hosts: ${hosts} }\n`
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw, annotations: ${JSON.stringify(annotations)} }
spec:
  servers:
${plain}  - { port: { number: ${port}, name: https, protocol: ${protocol} }, hosts: ${hosts}, tls: ${tls} }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop }
spec: { hosts: ["*"], gateways: [gw], http: [{ name: shop, redirect: { uri: /shop } }] }
---
`
}

function chainsOf(run: Simulation, port = 443): readonly TlsChainPlan[] {
  const accept = run.listener(port)?.accept
  return accept?.type === 'tls' ? accept.chains.all : []
}

function shown(run: Simulation, port = 443): readonly string[] {
  return chainsOf(run, port).map(
    ({ name, hosts, tls }) =>
      `${name} [${hosts.join()}] ${tls.certificates
        .map((source) =>
          source.kind === 'acme' ? `${source.name} ${source.challenge}` : source.name,
        )
        .join()}`,
  )
}

const NAME = 'https.443.https.gw.default'

const rows: [what: string, shape: Shape, chains: readonly string[], problems: readonly string[]][] =
  [
    [
      'without port 80 the challenge is a handshake',
      {},
      [`${NAME}.a.test [a.test] acme://a.test tls-alpn-01`],
      [],
    ],
    [
      'with port 80 it is an HTTP request',
      { plainPort: 80 },
      [`${NAME}.a.test [a.test] acme://a.test http-01`],
      [],
    ],
    [
      'the annotation decides',
      { plainPort: 80, annotations: { ...ON, 'tidegate.dev/acme-challenge': 'tls-alpn-01' } },
      [`${NAME}.a.test [a.test] acme://a.test tls-alpn-01`],
      [],
    ],
    [
      'every host has a chain and a certificate of its own; namespaces are no part of it',
      { hosts: '[a.test, "./b.test", "*/A.test"]' },
      [
        `${NAME}.a.test [a.test] acme://a.test tls-alpn-01`,
        `${NAME}.b.test [b.test] acme://b.test tls-alpn-01`,
      ],
      [],
    ],
    [
      'wildcards keep the server, without certificate',
      { hosts: '[a.test, "*.b.test"]' },
      [`${NAME}.a.test [a.test] acme://a.test tls-alpn-01`, `${NAME} [*.b.test] `],
      [],
    ],
    [
      'a directory of its own is part of the name',
      { annotations: { 'tidegate.dev/acme': 'https://ca.test/dir' } },
      [`${NAME}.a.test [a.test] acme://a.test?directory=https://ca.test/dir tls-alpn-01`],
      [],
    ],
    [
      'a server with files of its own keeps them',
      { tls: '{ mode: SIMPLE, serverCertificate: /a.crt, privateKey: /a.key }' },
      [`${NAME} [a.test] file:///a.crt`],
      [],
    ],
    [
      'clients that cannot be verified are not let in by an ordered certificate',
      { tls: '{ mode: MUTUAL, caCertCredentialName: missing }' },
      [`${NAME}.a.test [a.test] `],
      ['client-ca-missing'],
    ],
    [
      'http-01 without a server on port 80',
      { plainPort: 8080, annotations: { ...ON, 'tidegate.dev/acme-challenge': 'http-01' } },
      [`${NAME}.a.test [a.test] acme://a.test http-01`],
      ['acme-port-not-served'],
    ],
  ]
test.each(rows)('%s', (_what, shape, chains, problems) => {
  const run = new Simulation(gateway(shape))
  expect(shown(run)).toEqual(chains)
  const codes = run.problems.filter(({ severity }) => severity !== 'info').map(({ code }) => code)
  expect(codes).toEqual(problems)
})

test('neither port 80 nor 443: nobody comes to the port there is', () => {
  const run = new Simulation(gateway({ port: 8443 }))
  expect(run.problems.map(({ code }) => code)).toContain('acme-port-not-served')
  expect(shown(run, 8443)).toHaveLength(1)
})

test('chains of one server share its routes', () => {
  const run = new Simulation(gateway({ hosts: '[a.test, b.test]' }))
  const [a, b] = chainsOf(run)
  expect(a?.http).toBe(b?.http)
  expect(run.resolve({ port: 443, sni: 'b.test', host: 'b.test' })).toMatchObject({ route: 'shop' })
})
