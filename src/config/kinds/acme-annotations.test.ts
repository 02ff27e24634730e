import { expect, test } from 'vitest'
import { ResourceStore } from '../store.ts'

interface Written {
  readonly annotations?: Readonly<Record<string, string>>
  readonly tls?: string
  readonly hosts?: string
}

function codesOf({ annotations = {}, tls = '{ mode: SIMPLE }', hosts = '[a.test]' }: Written) {
  const text = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw, annotations: ${JSON.stringify(annotations)} }
spec:
  selector: { istio: ingressgateway }
  servers:
  - { port: { number: 443, name: https, protocol: HTTPS }, hosts: ${hosts}, tls: ${tls} }
`
  const store = new ResourceStore({ compat: false })
  const { problems } = store.load([{ path: 'gw.yaml', text, error: null }])
  return problems.map(({ code, path }) => `${code} ${path.join('.')}`)
}

const ON = { 'tidegate.dev/acme': 'true' }
const TLS = 'spec.servers.0.tls'

const rows: [what: string, written: Written, codes: readonly string[]][] = [
  ['no annotation: a certificate is needed', {}, Array(2).fill(`missing-certificate ${TLS}`)],
  ['true', { annotations: ON }, []],
  ['letsencrypt', { annotations: { 'tidegate.dev/acme': 'letsencrypt' } }, []],
  ['a directory', { annotations: { 'tidegate.dev/acme': 'https://ca.test/directory' } }, []],
  [
    'false',
    { annotations: { 'tidegate.dev/acme': 'false' } },
    Array(2).fill(`missing-certificate ${TLS}`),
  ],
  [
    'a typing error',
    { annotations: { 'tidegate.dev/acme': 'letsencript' } },
    ['invalid-acme-annotation metadata.annotations.tidegate.dev/acme'],
  ],
  [
    'plain http',
    { annotations: { 'tidegate.dev/acme': 'http://ca.test/directory' } },
    ['invalid-acme-annotation metadata.annotations.tidegate.dev/acme'],
  ],
  [
    'a challenge by DNS',
    { annotations: { ...ON, 'tidegate.dev/acme-challenge': 'dns-01' } },
    ['invalid-acme-annotation metadata.annotations.tidegate.dev/acme-challenge'],
  ],
  [
    'an address that is none',
    { annotations: { ...ON, 'tidegate.dev/acme-email': 'ops' } },
    ['invalid-acme-annotation metadata.annotations.tidegate.dev/acme-email'],
  ],
  [
    'a wildcard among the hosts',
    { annotations: ON, hosts: '[a.test, "*.b.test"]' },
    ['acme-wildcard-host spec.servers.0.hosts.1'],
  ],
  [
    'a wildcard whose certificate is given',
    { annotations: ON, hosts: '["*.b.test"]', tls: '{ mode: SIMPLE, credentialName: b }' },
    [],
  ],
  [
    'half of a pair of files',
    { annotations: ON, tls: '{ mode: SIMPLE, serverCertificate: /a.crt }' },
    [`missing-certificate ${TLS}`],
  ],
  [
    'client certificates still need a CA',
    { annotations: ON, tls: '{ mode: MUTUAL }' },
    [`missing-certificate ${TLS}`],
  ],
  [
    'client certificates with a CA',
    { annotations: ON, tls: '{ mode: MUTUAL, caCertCredentialName: clients }' },
    [],
  ],
]
test.each(rows)('%s', (_what, written, codes) => {
  expect(codesOf(written)).toEqual(codes)
})
