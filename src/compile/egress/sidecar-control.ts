import { Cidr } from '../../base/cidr.ts'
import type { ResourceSet } from '../../config/resource-set.ts'
import { HostTable } from '../../routing/host-table.ts'
import {
  type DeclaredAddress,
  type DeclaredHost,
  type EgressControl,
  UNKNOWN_CLIENT,
} from '../../snapshot/egress-control.ts'
import type { CompileSettings } from '../compile-input.ts'
import type { Findings } from '../findings.ts'
import type { ServiceRegistry } from '../registry/service-registry.ts'
import { originOf } from '../routes/http-rules.ts'
import type { FiltersFor } from '../routes/virtual-host-builder.ts'
import { NO_EGRESS_CONTROL } from './egress-control-settings.ts'
import type { HostNames } from './host-names.ts'
import { SidecarScopes } from './sidecar-scopes.ts'
import { egressUsers } from './sidecar-users.ts'
import { clientWorkloads } from './sidecar-workloads.ts'
import { unknownHost } from './unknown-host.ts'

/** All but what clients see by their namespace. */
export function egressControl(parts: {
  readonly set: ResourceSet
  readonly registry: ServiceRegistry
  readonly names: HostNames
  readonly settings: CompileSettings
  readonly filtersFor: FiltersFor
  readonly findings: Findings
}): Omit<EgressControl, 'tables'> {
  const { set, registry, names, settings, filtersFor, findings } = parts
  const control = settings.egress ?? NO_EGRESS_CONTROL
  const scopes = new SidecarScopes(set.sidecars, settings.rootNamespace)
  return {
    reportOnly: control.reportOnly,
    refuseUnknown: control.refuseUnknown,
    ...declarations(registry, names),
    namespace: settings.namespace,
    hasAudiences: registry.all().some(({ audience = null }) => audience !== null),
    unknown: { ...UNKNOWN_CLIENT, scope: scopes.of('', {}) },
    workloads: clientWorkloads(set, scopes),
    users:
      control.users === null ? null : egressUsers(set.secrets, control.users, scopes, findings),
    scopes: scopes.byNamespace,
    allowAny: unknownHost('ALLOW_ANY', filtersFor),
    blockAll: unknownHost('REGISTRY_ONLY', filtersFor),
  }
}

/** Which resource declares a host on a port: for the ledger's `rule` and for what a Sidecar imports. */
function declarations(
  registry: ServiceRegistry,
  names: HostNames,
): Pick<EgressControl, 'declarations' | 'addresses'> {
  const ports = new Map<number, Map<string, DeclaredHost>>()
  const addresses: DeclaredAddress[] = []
  const add = (port: number, name: string, declared: DeclaredHost): void => {
    const known = ports.get(port) ?? new Map<string, DeclaredHost>()
    ports.set(port, known)
    if (!known.has(name)) known.set(name, declared)
  }
  const all = registry.all().flatMap((service) => {
    const { host, namespace, source, audience = null } = service
    if (source === null) return []
    const origin = originOf({ resource: source, path: ['spec'] })
    return [{ service, declared: { host, namespace, origin, audience } }]
  })
  for (const { service, declared } of all) {
    for (const { number } of service.ports.values()) add(number, service.host, declared)
  }
  for (const { service, declared } of all) {
    for (const { number } of service.ports.values()) {
      for (const alias of names.aliases(service.host)) add(number, alias, declared)
      for (const written of service.addresses) {
        const cidr = Cidr.parse(written)
        if (cidr !== null) addresses.push({ cidr, port: number, declared })
      }
    }
  }
  return {
    declarations: new Map([...ports].map(([port, hosts]) => [port, new HostTable([...hosts])])),
    addresses: addresses.toSorted((a, b) => b.cidr.prefix - a.cidr.prefix),
  }
}
