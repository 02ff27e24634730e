import { closest } from '../../base/closest.ts'
import type { Place } from './place.ts'

/**
 * Suites for TLS 1.2 and below that Istio knows and OpenSSL still speaks. Names outside are left
 * out of the served list, as Istio does.
 */
const CIPHER_SUITES: ReadonlySet<string> = new Set([
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
])

/** Key exchange groups Istio knows. */
const ECDH_CURVES: ReadonlySet<string> = new Set([
  'X25519',
  'P-256',
  'P-384',
  'P-521',
  'X25519MLKEM768',
])

const VERSION_ORDER = ['TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3']
const DEFAULT_MIN = VERSION_ORDER.indexOf('TLSV1_2')
const DEFAULT_MAX = VERSION_ORDER.indexOf('TLSV1_3')

interface TlsParameters {
  readonly minProtocolVersion?: string
  readonly maxProtocolVersion?: string
  readonly cipherSuites?: readonly string[]
  readonly ecdhCurves?: readonly string[]
}

/** Versions, ciphers and curves of a Gateway server. */
export function checkTlsParameters(place: Place, tls: TlsParameters): void {
  const min = versionRank(tls.minProtocolVersion) ?? DEFAULT_MIN
  const max = versionRank(tls.maxProtocolVersion) ?? DEFAULT_MAX
  if (min > max) {
    place
      .at(tls.maxProtocolVersion === undefined ? 'minProtocolVersion' : 'maxProtocolVersion')
      .error(
        'tls-version-range',
        `minimum TLS version ${VERSION_ORDER[min]} is above the maximum ${VERSION_ORDER[max]}`,
        'no client could connect; the defaults are TLSV1_2 and TLSV1_3',
      )
  }
  if (min < DEFAULT_MIN && !hasItems(tls.cipherSuites)) {
    place
      .at('minProtocolVersion')
      .warning(
        'legacy-tls-version',
        `TLS versions below TLSV1_2 need cipherSuites: the default list has none they can use`,
        'raise minProtocolVersion, or list cipherSuites',
      )
  }
  checkNames(place.at('cipherSuites'), tls.cipherSuites, CIPHER_SUITES, 'cipher suite')
  checkNames(place.at('ecdhCurves'), tls.ecdhCurves, ECDH_CURVES, 'ECDH curve')
}

function versionRank(version: string | undefined): number | null {
  const rank = VERSION_ORDER.indexOf(version ?? '')
  return rank === -1 ? null : rank
}

function hasItems(list: readonly string[] | undefined): boolean {
  return list !== undefined && list.length > 0
}

function checkNames(
  place: Place,
  names: readonly string[] | undefined,
  known: ReadonlySet<string>,
  what: string,
): void {
  const seen = new Set<string>()
  for (const [index, name] of (names ?? []).entries()) {
    if (!known.has(name)) {
      const suggestion = closest(name, known)
      place
        .at(index)
        .warning(
          'unknown-tls-name',
          `ignoring unsupported ${what}: "${name}"`,
          suggestion === null ? 'TLS 1.3 suites cannot be chosen' : `did you mean ${suggestion}?`,
        )
    } else if (seen.has(name)) {
      place.at(index).warning('duplicate-tls-name', `ignoring duplicate ${what}: "${name}"`)
    }
    seen.add(name)
  }
  if (seen.size > 0 && [...seen].every((name) => !known.has(name))) {
    place.warning('unknown-tls-name', `no ${what} of the list is known: the defaults are used`)
  }
}
