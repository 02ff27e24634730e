import { expect, test } from 'vitest'
import { ResourceStore } from '../store.ts'

/** Problem codes of a Gateway whose one server has this tls block. */
function codesOf(tls: string): readonly string[] {
  const text = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  selector: { istio: ingressgateway }
  servers:
  - { port: { number: 443, name: https, protocol: HTTPS }, hosts: [a.test], tls: ${tls} }
`
  const store = new ResourceStore({ compat: false })
  return store.load([{ path: 'gw.yaml', text, error: null }]).problems.map(({ code }) => code)
}

const HEX = 'ab'.repeat(32)
const COLONS = Array.from({ length: 32 }, () => 'AB').join(':')
const BASE64 = Buffer.alloc(32, 7).toString('base64')

const rows: [tls: string, codes: readonly string[]][] = [
  [`{ mode: MUTUAL, credentialName: x, verifyCertificateHash: [${HEX}, "${COLONS}"] }`, []],
  [`{ mode: MUTUAL, credentialName: x, verifyCertificateSpki: ["${BASE64}"] }`, []],
  [
    '{ mode: MUTUAL, credentialName: x, verifyCertificateHash: [abc] }',
    ['invalid-certificate-hash'],
  ],
  [
    `{ mode: OPTIONAL_MUTUAL, credentialName: x, verifyCertificateSpki: ["${HEX}"] }`,
    ['invalid-certificate-hash'],
  ],
  [
    '{ mode: SIMPLE, credentialName: x, subjectAltNames: [a.test] }',
    ['client-certificate-not-asked'],
  ],
  ['{ mode: ISTIO_MUTUAL, credentialName: x }', ['conflicting-fields']],
  ['{ mode: PASSTHROUGH, credentialName: x }', ['certificate-without-termination']],
  [
    '{ mode: SIMPLE, credentialName: x, minProtocolVersion: TLSV1_3, maxProtocolVersion: TLSV1_2 }',
    ['tls-version-range'],
  ],
]
test.each(rows)('%s', (tls, codes) => {
  expect(codesOf(tls)).toEqual(codes)
})
