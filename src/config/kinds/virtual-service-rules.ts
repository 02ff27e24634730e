import { hostsOverlap } from '../hosts.ts'
import { isShortName } from '../names.ts'
import type { Reporter } from '../reporter.ts'
import type { Resource } from '../resource.ts'
import { checkExportTo } from './export-to-rules.ts'
import { checkGatewayName, gatewaysOf, isMeshBound } from './virtual-service-binding.ts'
import { checkHost, hostError } from './host-rules.ts'
import { Place } from './place.ts'
import { checkHttpRule } from './virtual-service-http-rules.ts'
import { checkDelegate, checkDelegateName } from './virtual-service-delegate-rules.ts'
import { checkTcpRule, checkTlsRules } from './virtual-service-l4-rules.ts'
import { checkRuleOrder } from './virtual-service-order-rules.ts'
import type { ValidationOptions } from './validation-options.ts'
import type { VirtualServiceSpec } from './virtual-service.ts'

/** Overlap is looked for pairwise; longer host lists are compared up to here. */
const MAX_COMPARED_HOSTS = 1000

export function validateVirtualService(
  resource: Resource<VirtualServiceSpec>,
  reporter: Reporter,
  options: ValidationOptions,
): void {
  const { spec, metadata } = resource
  const place = new Place(reporter, options, ['spec'])
  checkHosts(place, spec)
  place.each('gateways', spec.gateways, (name, at) => checkGatewayName(at, name))
  checkRulesPresent(place, spec)
  const binding = { mesh: isMeshBound(spec), hosts: spec.hosts ?? [] }
  place.each('http', spec.http, (rule, at) => {
    checkHttpRule(at, rule, binding)
    if (rule.delegate !== undefined) checkDelegateName(at.at('delegate'), rule.delegate)
  })
  if ((spec.hosts ?? []).length === 0) checkDelegate(place, spec)
  checkRuleOrder(place, spec.http ?? [], gatewaysOf(spec))
  checkTlsRules(place, spec.tls ?? [], binding)
  place.each('tcp', spec.tcp, (rule, at) => checkTcpRule(at, rule))
  checkExportTo(place.at('exportTo'), spec.exportTo, {
    namespace: metadata.namespace,
    nobody: false,
  })
}

function checkHosts(place: Place, spec: VirtualServiceSpec): void {
  const hosts = spec.hosts ?? []
  const mesh = isMeshBound(spec)
  place.each('hosts', hosts, (host, at) => {
    if (checkHost(at, host) && mesh && host === '*') {
      at.error(
        'wildcard-host-on-mesh',
        'wildcard host * is not allowed for virtual services bound to the mesh gateway',
        'list gateways without mesh, or name the hosts',
      )
    }
  })
  checkOverlap(place, hosts)
  if (!mesh) adviseMesh(place, hosts)
}

function checkOverlap(place: Place, hosts: readonly string[]): void {
  const compared = hosts.slice(0, MAX_COMPARED_HOSTS)
  for (const [index, host] of compared.entries()) {
    const earlier = compared.slice(0, index).find((other) => hostsOverlap(other, host))
    if (earlier === undefined || hostError(earlier) !== null || hostError(host) !== null) continue
    place
      .at('hosts', index)
      .error(
        'duplicate-host',
        `duplicate hosts in virtual service: ${earlier} & ${host}`,
        'keep the wider one, or give each its own VirtualService',
      )
  }
}

function adviseMesh(place: Place, hosts: readonly string[]): void {
  const index = hosts.findIndex(isShortName)
  if (index === -1) return
  place
    .at('hosts', index)
    .info(
      'gateway-only-short-host',
      `"${hosts[index]}" is a cluster-internal name, and the rules apply at the listed gateways only: ` +
        'naming a gateway removes "mesh"',
      'add mesh to gateways to keep the rules for requests from inside',
    )
}

/** Istio refuses it; empty lists are common in skeletons and harmless, so it is only told. */
function checkRulesPresent(place: Place, spec: VirtualServiceSpec): void {
  if ([spec.http, spec.tls, spec.tcp].some((list) => (list?.length ?? 0) > 0)) return
  place.warning(
    'virtual-service-without-rules',
    'http, tcp or tls must be provided in virtual service: without rules it changes nothing',
    'add an http rule with a route',
  )
}
