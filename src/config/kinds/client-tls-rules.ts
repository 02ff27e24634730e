import { isFqdn } from '../names.ts'
import type { TrafficPolicySpec } from './destination-rule.ts'
import type { Place } from './place.ts'

type ClientTlsSpec = NonNullable<TrafficPolicySpec['tls']>

const FILES = ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const

/** `trafficPolicy.tls`: TLS origination. */
export function checkClientTls(place: Place, tls: ClientTlsSpec): void {
  if (tls.mode === undefined) {
    place.warning(
      'tls-mode-missing',
      'tls without mode is DISABLE: connections are made in plain text',
      'write mode: SIMPLE to originate TLS, or mode: DISABLE to say that it is meant',
    )
  }
  const files = FILES.filter((field) => isSet(tls[field]))
  if (tls.mode === 'ISTIO_MUTUAL') checkMeshMutual(place, tls)
  else if (isSet(tls.credentialName)) {
    if (files.length > 0) {
      place.error(
        'conflicting-fields',
        'cannot specify client certificates or CA certificate If credentialName is set',
        `remove ${files.join(', ')}, or credentialName`,
      )
    }
  } else if (tls.mode === 'MUTUAL') {
    if (!isSet(tls.clientCertificate)) {
      place.error('missing-certificate', 'client certificate required for mutual tls')
    }
    if (!isSet(tls.privateKey)) {
      place.error('missing-certificate', 'private key required for mutual tls')
    }
  }
  checkVerification(place, tls)
}

function checkMeshMutual(place: Place, tls: ClientTlsSpec): void {
  for (const field of [...FILES, 'credentialName'] as const) {
    if (!isSet(tls[field])) continue
    place
      .at(field)
      .error(
        'conflicting-fields',
        `ISTIO_MUTUAL TLS cannot have associated ${field}`,
        'ISTIO_MUTUAL uses the mesh identity; use MUTUAL for certificates of your own',
      )
  }
}

function checkVerification(place: Place, tls: ClientTlsSpec): void {
  const sni = tls.sni ?? ''
  const names = tls.subjectAltNames ?? []
  if (sni !== '' && !isFqdn(sni)) {
    place.at('sni').error('invalid-host', `sni "${sni}" is not a host name`)
  }
  if (tls.insecureSkipVerify === true) {
    if (isSet(tls.caCertificates)) {
      place.error(
        'conflicting-fields',
        'cannot specify CaCertificates if InsecureSkipVerify is set true',
      )
    }
    if (names.length > 0) {
      place.error(
        'conflicting-fields',
        'cannot specify SubjectAltNames if InsecureSkipVerify is set true',
      )
    }
    place
      .at('insecureSkipVerify')
      .warning(
        'tls-verification-off',
        'the server certificate is not verified: anybody on the path can answer',
        'name the CA in caCertificates or credentialName instead',
      )
    return
  }
  const originates = tls.mode === 'SIMPLE' || tls.mode === 'MUTUAL'
  if (!originates || sni === '' || names.length > 0) return
  place
    .at('sni')
    .warning(
      'tls-name-not-checked',
      'an explicit sni without subjectAltNames checks the chain only: a certificate of any name passes',
      `add subjectAltNames: [${sni}], unless the ServiceEntry lists them`,
    )
}

function isSet(text: string | undefined): boolean {
  return text !== undefined && text !== ''
}
