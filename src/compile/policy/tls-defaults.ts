import { getCiphers } from 'node:tls'
import type { MeshConfigSpec } from '../../config/mesh-config.ts'
import type { TlsVersion } from '../../tls/plan.ts'
import type { Findings } from '../findings.ts'

/** What a tls block leaves open; null: the default of Tidegate. */
export interface TlsDefaults {
  readonly minVersion: TlsVersion | null
  /** OpenSSL cipher list for TLS 1.2 and below. */
  readonly ciphers: string | null
  /** OpenSSL list of key exchange groups. */
  readonly curves: string | null
}

const NO_DEFAULTS: TlsDefaults = { minVersion: null, ciphers: null, curves: null }

const VERSIONS: Readonly<Record<string, TlsVersion>> = { TLSV1_2: 'TLSv1.2', TLSV1_3: 'TLSv1.3' }

/** Key exchange groups that Istio takes, as OpenSSL takes them. */
const CURVES: ReadonlySet<string> = new Set(['X25519', 'P-256', 'P-384', 'P-521', 'X25519MLKEM768'])

/**
 * MeshConfig.tlsDefaults for TLS with the world, MeshConfig.meshMTLS for ISTIO_MUTUAL, which takes
 * no curves. Unknown names are left out; a list that becomes empty means the default.
 */
export function tlsDefaults(
  mesh: MeshConfigSpec,
  isMeshTls: boolean,
  findings: Findings,
): TlsDefaults {
  const field = isMeshTls ? 'meshMTLS' : 'tlsDefaults'
  const given = mesh[field]
  if (given === undefined) return NO_DEFAULTS
  return {
    minVersion: VERSIONS[given.minProtocolVersion ?? ''] ?? null,
    ciphers: cipherList(given.cipherSuites ?? [], (name) => {
      const message = `MeshConfig ${field}.cipherSuites: ${name} is not available here: it is left out`
      findings.reportGeneral('warning', 'cipher-suite-unknown', message, null)
    }),
    curves: isMeshTls ? null : checkedCurves(given.ecdhCurves ?? [], findings),
  }
}

/** An OpenSSL list without names that are unknown here; null: nothing is left. */
export function cipherList(
  names: readonly string[],
  onUnknown: (name: string) => void,
): string | null {
  if (names.length === 0) return null
  const available = new Set(getCiphers())
  const kept = new Set<string>()
  for (const name of names) {
    if (available.has(name.toLowerCase())) kept.add(name)
    else onUnknown(name)
  }
  return kept.size === 0 ? null : [...kept].join(':')
}

/** As with cipher suites: null when no name is known. */
export function curveList(names: readonly string[]): string | null {
  const kept = new Set(names.filter((name) => CURVES.has(name)))
  return kept.size === 0 ? null : [...kept].join(':')
}

function checkedCurves(names: readonly string[], findings: Findings): string | null {
  for (const name of names) {
    if (CURVES.has(name)) continue
    const message = `MeshConfig tlsDefaults.ecdhCurves: ignoring unsupported ECDH curve: "${name}"`
    findings.reportGeneral(
      'warning',
      'unknown-tls-name',
      message,
      `known: ${[...CURVES].join(', ')}`,
    )
  }
  return curveList(names)
}
