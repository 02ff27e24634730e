import { isDnsLabel, isIpLiteral, splitNamespacedHost } from '../names.ts'
import type { Reporter } from '../reporter.ts'
import type { Resource } from '../resource.ts'
import { checkDottedHost } from './host-rules.ts'
import { checkSelector } from './label-rules.ts'
import { Place } from './place.ts'
import { checkPortNumber, checkProtocol, PROTOCOLS } from './port-rules.ts'
import type { SidecarSpec } from './sidecar.ts'
import type { ValidationOptions } from './validation-options.ts'
import { checkDestination } from './weighted-destination-rules.ts'

type EgressSpec = NonNullable<SidecarSpec['egress']>[number]
type OutboundPolicySpec = NonNullable<SidecarSpec['outboundTrafficPolicy']>

export function validateSidecar(
  resource: Resource<SidecarSpec>,
  reporter: Reporter,
  options: ValidationOptions,
): void {
  const { spec } = resource
  const place = new Place(reporter, options, ['spec'])
  checkSelector(place.at('workloadSelector', 'labels'), spec.workloadSelector?.labels)
  const egress = spec.egress ?? []
  const others = [spec.outboundTrafficPolicy, spec.inboundConnectionPool]
  if (
    egress.length === 0 &&
    (spec.ingress?.length ?? 0) === 0 &&
    others.every((block) => block === undefined)
  ) {
    place.error(
      'empty-block',
      'sidecar: empty configuration provided',
      'without a Sidecar every host is reachable',
    )
  }
  checkEgress(place, egress)
  if (spec.outboundTrafficPolicy !== undefined) {
    checkOutboundPolicy(place.at('outboundTrafficPolicy'), spec.outboundTrafficPolicy)
  }
}

function checkEgress(place: Place, egress: readonly EgressSpec[]): void {
  const ports = new Set<string>()
  place.each('egress', egress, (entry, at, index) => {
    if (entry.port === undefined) {
      if (index !== egress.length - 1) {
        at.error(
          'egress-order',
          'sidecar: the egress listener with empty port should be the last listener in the list',
          'only one entry may leave port out, and it comes last',
        )
      }
    } else checkEgressPort(at, entry, ports)
    const hosts = entry.hosts ?? []
    if (hosts.length === 0) {
      at.at('hosts').error(
        'missing-field',
        'sidecar: egress listener must contain at least one host',
        'write hosts: ["*/*"] for all',
      )
    }
    at.each('hosts', hosts, (host, hostAt) => checkEgressHost(hostAt, host))
    const bind = entry.bind ?? ''
    if (bind !== '' && !isIpLiteral(bind) && !bind.startsWith('unix://')) {
      at.at('bind').error('invalid-address', `invalid IP address "${bind}"`)
    }
  })
}

function checkEgressPort(place: Place, entry: EgressSpec, ports: Set<string>): void {
  const number = entry.port?.number ?? 0
  const at = place.at('port')
  const unixSocket = entry.bind?.startsWith('unix://') === true
  if (!unixSocket) checkPortNumber(at.at('number'), number)
  else if (number !== 0) {
    at.at('number').error('invalid-port', `port number must be 0 for unix domain socket: ${number}`)
  }
  checkProtocol(at.at('protocol'), entry.port?.protocol, PROTOCOLS.sidecar)
  const key = `${entry.bind ?? ''} ${number}`
  if (ports.has(key)) {
    at.at('number').error(
      'duplicate-port',
      `sidecar: ports on bind addresses must be unique: ${number}`,
    )
  }
  ports.add(key)
}

/** `ns/dns`; ns is a namespace, `.`, `*`, `~` (nothing) or `~ns` (exclusion). */
function checkEgressHost(place: Place, text: string): void {
  const { namespace, host } = splitNamespacedHost(text)
  if (namespace === null) {
    place.error(
      'invalid-host',
      `sidecar: host "${text}" must be in namespace/dnsName format`,
      `write "*/${text}" for any namespace`,
    )
    return
  }
  if (namespace === '' || host === '') {
    place.error(
      'invalid-host',
      `config namespace and dnsName in host entry cannot be empty: "${text}"`,
    )
    return
  }
  const bare = namespace.startsWith('~') ? namespace.slice(1) : namespace
  if (!['', '.', '*'].includes(bare) && !isDnsLabel(bare)) {
    place.error('invalid-host', `invalid namespace value "${namespace}" in "${text}"`)
  }
  checkDottedHost(place, host)
}

function checkOutboundPolicy(place: Place, policy: OutboundPolicySpec): void {
  if (policy.mode === undefined) {
    place.warning(
      'outbound-policy-default',
      'outboundTrafficPolicy without mode is REGISTRY_ONLY: unknown hosts are refused',
      'write mode: ALLOW_ANY or mode: REGISTRY_ONLY',
    )
  } else if (policy.mode === 'ALLOW_ANY_DYNAMIC_DNS') {
    place
      .at('mode')
      .error(
        'dynamic-dns',
        'sidecar: ALLOW_ANY_DYNAMIC_DNS is only for MeshConfig',
        'use ALLOW_ANY',
      )
  }
  if (policy.egressProxy === undefined) return
  if (policy.mode !== 'ALLOW_ANY') {
    place
      .at('egressProxy')
      .error(
        'conflicting-fields',
        'sidecar: egress_proxy can be set only with ALLOW_ANY outbound_traffic_policy mode',
      )
  }
  checkDestination(place.at('egressProxy'), policy.egressProxy)
}
