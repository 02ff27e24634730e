import { expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { explained, explainerOf } from '../../test/support/explain.ts'
import { httpsGateway, secret, tlsSecret } from '../../test/support/secrets.ts'
import { virtualService } from '../../test/support/yaml.ts'

const authority = Authority.create('Misdirection')
const wide = authority.issue(['*.shop.test'])
const narrow = authority.issue(['narrow.shop.test'])

const explainer = explainerOf(
  tlsSecret('wide', wide) +
    tlsSecret('narrow', narrow) +
    secret('mutual', {
      'tls.crt': wide.certificate,
      'tls.key': wide.key,
      'ca.crt': authority.certificate,
    }) +
    httpsGateway('gw', [
      { hosts: ['wide.shop.test'], tls: '{ mode: SIMPLE, credentialName: wide }' },
      { hosts: ['narrow.shop.test'], tls: '{ mode: SIMPLE, credentialName: narrow }' },
      {
        hosts: ['new.shop.test'],
        tls: '{ mode: SIMPLE, credentialName: wide, minProtocolVersion: TLSV1_3 }',
      },
      {
        hosts: ['ciphers.shop.test'],
        tls: '{ mode: SIMPLE, credentialName: wide, cipherSuites: [ECDHE-RSA-AES256-GCM-SHA384] }',
      },
      { hosts: ['mutual.shop.test'], tls: '{ mode: MUTUAL, credentialName: mutual }' },
      {
        hosts: ['file.shop.test'],
        tls: '{ mode: SIMPLE, serverCertificate: /tls/a.crt, privateKey: /tls/a.key }',
      },
    ]) +
    virtualService('all', ['*.shop.test'], ['gw'], '  - directResponse: { status: 200 }'),
)

const REFUSED: readonly [what: string, sni: string, host: string, why: RegExp][] = [
  [
    'a certificate that does not cover the host',
    'narrow.shop.test',
    'wide.shop.test',
    /certificate kubernetes:\/\/istio-system\/narrow: the certificate is for DNS:narrow\.shop\.test, not for wide\.shop\.test/,
  ],
  [
    'a newer version that the host wants',
    'wide.shop.test',
    'new.shop.test',
    /wants TLSv1\.3 or newer \(minProtocolVersion\), this connection may be TLSv1\.2/,
  ],
  [
    'ciphers of its own',
    'wide.shop.test',
    'ciphers.shop.test',
    /cipherSuites ECDHE-RSA-AES256-GCM-SHA384/,
  ],
  [
    'client certificates that the host wants',
    'wide.shop.test',
    'mutual.shop.test',
    /verifies clients \(mode MUTUAL\), this connection was accepted with mode SIMPLE/,
  ],
  [
    'a certificate from a file, which is not looked at',
    'file.shop.test',
    'wide.shop.test',
    /certificate file:\/\/\/tls\/a\.crt is not the one of that server/,
  ],
]

test.each(REFUSED)('421 says why: %s', (_what, sni, host, why) => {
  const { outcome } = explained(explainer, `https://${host}/`, { sni })
  expect(outcome).toMatchObject({ ok: false, status: 421 })
  expect(outcome.summary).toMatch(why)
  expect(outcome.summary).toContain(`${host} belongs to another server of this port`)
})

test('a certificate that covers the host of another server lets the request pass', () => {
  const { outcome } = explained(explainer, 'https://narrow.shop.test/', { sni: 'wide.shop.test' })
  expect(outcome).toMatchObject({ ok: true, status: 200 })
})
