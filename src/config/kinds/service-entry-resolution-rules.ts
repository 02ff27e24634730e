import { isFqdn, isIpLiteral, isWildcardHost } from '../names.ts'
import type { Place } from './place.ts'
import type { ServiceEntrySpec } from './service-entry.ts'
import { checkWorkload, isUnixAddress } from './workload-entry-rules.ts'

const DYNAMIC_PROTOCOLS: ReadonlySet<string> = new Set(['HTTP', 'HTTP2', 'GRPC', 'TLS'])

/** What `resolution` asks of hosts, addresses and endpoints. */
export function checkResolution(place: Place, spec: ServiceEntrySpec): void {
  const endpoints = spec.endpoints ?? []
  switch (spec.resolution ?? 'NONE') {
    case 'NONE':
      checkNone(place, spec)
      return
    case 'STATIC':
      if (endpoints.length === 0 && spec.workloadSelector === undefined) {
        place.warning(
          'service-without-endpoints',
          'resolution STATIC without endpoints or workloadSelector has nobody to send to',
          'add endpoints, or use resolution: DNS',
        )
      }
      return
    case 'DNS':
      checkDnsHosts(place, spec)
      return
    case 'DNS_ROUND_ROBIN':
      if (endpoints.length > 1) {
        place
          .at('endpoints')
          .error(
            'endpoints-not-allowed',
            'there must only be 0 or 1 endpoint for resolution mode DNS_ROUND_ROBIN',
            'use resolution: DNS for several',
          )
      }
      checkDnsHosts(place, spec)
      return
    case 'DYNAMIC_DNS':
      checkDynamicDns(place, spec)
  }
}

function checkNone(place: Place, spec: ServiceEntrySpec): void {
  if ((spec.endpoints?.length ?? 0) > 0) {
    place
      .at('endpoints')
      .error(
        'endpoints-not-allowed',
        'no endpoints should be provided for resolution type none',
        spec.resolution === undefined
          ? 'resolution is absent, which means NONE; write resolution: STATIC or DNS'
          : 'write resolution: STATIC or DNS',
      )
    return
  }
  place
    .at('resolution')
    .warning(
      'resolution-none',
      spec.resolution === undefined
        ? 'resolution is absent, which means NONE: requests through a Gateway find no endpoint (503 UH)'
        : 'resolution NONE has no endpoints: requests through a Gateway find none (503 UH)',
      'write resolution: DNS to resolve the host',
    )
}

function checkDnsHosts(place: Place, spec: ServiceEntrySpec): void {
  if ((spec.endpoints?.length ?? 0) > 0 || spec.workloadSelector !== undefined) return
  place.each('hosts', spec.hosts, (host, at) => {
    if (isFqdn(host)) return
    at.error(
      'wildcard-with-dns',
      `hosts must be FQDN if no endpoints are provided for resolution mode ${spec.resolution}`,
      'a wildcard cannot be looked up; name the hosts or give endpoints',
    )
  })
}

function checkDynamicDns(place: Place, spec: ServiceEntrySpec): void {
  const mode = 'for resolution mode DYNAMIC_DNS'
  place.each('hosts', spec.hosts, (host, at) => {
    if (!isWildcardHost(host)) at.error('dynamic-dns', `hosts must be wildcards ${mode}`)
  })
  for (const field of ['addresses', 'endpoints'] as const) {
    if ((spec[field]?.length ?? 0) === 0) continue
    place.at(field).error('dynamic-dns', `no ${field} should be provided ${mode}`)
  }
  place.each('ports', spec.ports, (port, at) => {
    if (DYNAMIC_PROTOCOLS.has((port.protocol ?? '').toUpperCase())) return
    at.at('protocol').error(
      'dynamic-dns',
      `protocol must be one of ${[...DYNAMIC_PROTOCOLS].join(', ')} ${mode}`,
    )
  })
}

/** `endpoints[]`, each a WorkloadEntry of the ports the service entry has. */
export function checkEndpoints(place: Place, spec: ServiceEntrySpec): void {
  const names = new Set((spec.ports ?? []).map((port) => port.name ?? ''))
  place.each('endpoints', spec.endpoints, (endpoint, at) => {
    checkWorkload(at, endpoint)
    for (const name of Object.keys(endpoint.ports ?? {})) {
      if (names.has(name)) continue
      at.at('ports', name).error(
        'unknown-port-name',
        `endpoint port "${name}" is not defined by the service entry`,
        `its ports are ${[...names].join(', ')}`,
      )
    }
    const address = endpoint.address ?? ''
    if (address === '') return
    if (spec.resolution === 'STATIC' && !isIpLiteral(address) && !isUnixAddress(address)) {
      at.at('address').error(
        'endpoint-not-an-address',
        `endpoint address "${address}" must be an IP address for resolution STATIC`,
        'write resolution: DNS for names',
      )
    } else if (spec.resolution !== 'STATIC' && isUnixAddress(address)) {
      at.at('address').error(
        'endpoint-not-an-address',
        'unix domain sockets are allowed for resolution STATIC only',
      )
    }
  })
}
