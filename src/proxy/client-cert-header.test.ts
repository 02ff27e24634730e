import { describe, expect, test } from 'vitest'
import type { ClientCertificate } from '../http/exchange.ts'
import { formatClientCert } from './client-cert-header.ts'

const CERTIFICATE: ClientCertificate = {
  hash: '468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688',
  subject: 'CN=web,O=Shop',
  uriSans: ['spiffe://corp.test/ns/shop/sa/web'],
  dnsSans: ['web.corp.test', 'www.corp.test'],
  certPem: '-----BEGIN CERTIFICATE-----\nMII+/w==\n-----END CERTIFICATE-----\n',
  chainPem: 'A\nB',
  ownUri: null,
}
const ALL = { subject: true, cert: true, chain: true, dns: true, uri: true }
const NONE = { subject: false, cert: false, chain: false, dns: false, uri: false }
const HASH = `Hash=${CERTIFICATE.hash}`

describe('x-forwarded-client-cert element', () => {
  test("everything, in Envoy's order", () => {
    expect(formatClientCert({ ...CERTIFICATE, ownUri: 'spiffe://corp.test/edge' }, ALL)).toBe(
      `By=spiffe://corp.test/edge;${HASH};` +
        'Cert="-----BEGIN%20CERTIFICATE-----%0AMII%2B%2Fw%3D%3D%0A-----END%20CERTIFICATE-----%0A";' +
        'Chain="A%0AB";Subject="CN=web,O=Shop";URI=spiffe://corp.test/ns/shop/sa/web;' +
        'DNS=web.corp.test;DNS=www.corp.test',
    )
  })

  test('the hash stands alone when nothing else is asked for', () => {
    expect(formatClientCert(CERTIFICATE, NONE)).toBe(HASH)
  })

  test('a certificate without names still has the keys Subject and URI', () => {
    const bare = {
      ...CERTIFICATE,
      subject: '',
      uriSans: [],
      dnsSans: [],
      certPem: '',
      chainPem: '',
    }
    expect(formatClientCert(bare, ALL)).toBe(`${HASH};Subject="";URI=`)
  })

  const subjects: [name: string, subject: string, expected: string][] = [
    ['a plain one', 'CN=a', 'CN=a'],
    ['separators are safe inside quotes', 'CN=a\\,b;O=c', 'CN=a\\,b;O=c'],
    ['a bare quote gets a backslash', 'CN="x', 'CN=\\"x'],
    ['a quote that RFC 2253 escaped keeps its one backslash', 'CN=\\"x', 'CN=\\"x'],
    ['a quote behind an escaped backslash gets one', 'CN=\\\\"x', 'CN=\\\\\\"x'],
    ['a backslash at the end cannot eat the closing quote', 'CN=x\\', 'CN=x\\\\'],
    ['line breaks', 'CN=a\r\nx-evil: 1', 'CN=a\\0D\\0Ax-evil: 1'],
    ['other alphabets', 'CN=Zoë', 'CN=Zo\\C3\\AB'],
    ['an escaped letter of another alphabet', 'CN=\\ë', 'CN=\\\\\\C3\\AB'],
  ]
  test.each(subjects)('subject: %s', (_name, subject, expected) => {
    const text = formatClientCert({ ...CERTIFICATE, subject }, { ...NONE, subject: true })
    expect(text).toBe(`${HASH};Subject="${expected}"`)
  })

  const uris: [uri: string, expected: string][] = [
    ['spiffe://a/b', 'spiffe://a/b'],
    ['urn:a,b', '"urn:a,b"'],
    ['urn:a;URI=spiffe://root', '"urn:a;URI=spiffe://root"'],
    ['urn:a"b', '"urn:a\\"b"'],
    ['urn:a b', '"urn:a b"'],
    ['', ''],
  ]
  test.each(uris)('a URI or DNS name cannot add a pair: %s', (uri, expected) => {
    const forged = { ...CERTIFICATE, uriSans: [uri], dnsSans: [uri] }
    const text = formatClientCert(forged, { ...NONE, uri: true, dns: true })
    expect(text).toBe(`${HASH};URI=${expected};DNS=${expected}`)
  })
})
