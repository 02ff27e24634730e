import { isFqdn, isIpLiteral, isShortName, isWildcardHost } from '../names.ts'
import type { Place } from './place.ts'

/** Why `host` is no host (exact, wildcard, address or short name), or null. */
export function hostError(host: string): string | null {
  if (host === '') return 'host must not be empty'
  if (host.includes('*')) {
    if (isWildcardHost(host)) return null
    return `partial wildcard "${host}" not allowed`
  }
  if (isIpLiteral(host) || isFqdn(host)) return null
  if (/^[\d.]+$/.test(host)) return `domain name "${host}" is invalid: its last label is all digits`
  return `domain name "${host}" is invalid`
}

/** Reports hostError at `place`; true when the host is usable. */
export function checkHost(place: Place, host: string): boolean {
  const error = hostError(host)
  if (error === null) return true
  place.error('invalid-host', error, hostHint(host))
  return false
}

/** As checkHost, and short names are refused: Gateway and Sidecar hosts are not completed. */
export function checkDottedHost(place: Place, host: string): void {
  if (!checkHost(place, host) || !isShortName(host)) return
  place.error(
    'invalid-host',
    `short names (non FQDN) are not allowed: "${host}"`,
    'write the whole name, e.g. web-svc.default.svc.cluster.local',
  )
}

function hostHint(host: string): string | null {
  if (host.includes('*')) return 'a wildcard is "*" alone or the whole first label: "*.example.com"'
  if (host.includes('://')) return 'leave the scheme out'
  if (/:\d+$/.test(host)) return 'leave the port out: hosts are names only'
  if (host.includes('_')) return 'underscores are not allowed in host names'
  return null
}
