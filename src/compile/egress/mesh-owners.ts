import { hostMatches, hostCovers } from '../../config/hosts.ts'
import type { Findings } from '../findings.ts'
import { describe } from '../findings.ts'
import type { BoundService } from '../gateway/bindings.ts'
import type { MeshService } from '../registry/mesh-service.ts'
import type { ServiceRegistry } from '../registry/service-registry.ts'

/** What one mesh-bound VirtualService decides alone. */
export interface MeshOwner {
  readonly bound: BoundService
  /** Registered services among its hosts. */
  readonly services: MeshService[]
  /** Hosts that are no service. */
  readonly hosts: string[]
}

/** Whether it is worth a finding that the one wins over the other. */
export type ReportsLoss = (winner: BoundService, loser: BoundService) => boolean

/**
 * Inside the mesh nothing is merged: a host belongs whole to the first VirtualService that names
 * it, a service without one to the longest wildcard that covers it. The losers are reported.
 */
export function meshOwners(
  bound: readonly BoundService[],
  registry: ServiceRegistry,
  findings: Findings,
  reports: ReportsLoss = () => true,
): readonly MeshOwner[] {
  const owners: MeshOwner[] = []
  const byHost = new Map<string, MeshOwner>()
  const wildcards: { readonly pattern: string; readonly owner: MeshOwner }[] = []
  for (const one of bound) {
    const owner: MeshOwner = { bound: one, services: [], hosts: [] }
    owners.push(owner)
    for (const [index, host] of one.hosts.entries()) {
      const winner = byHost.get(host)
      if (winner !== undefined) {
        if (winner !== owner && reports(winner.bound, one)) {
          reportLoser(winner, owner, host, index, findings)
        }
        continue
      }
      byHost.set(host, owner)
      const service = registry.find(host)
      if (service !== null) owner.services.push(service)
      else if (host.startsWith('*')) wildcards.push({ pattern: host, owner })
      else owner.hosts.push(host)
    }
  }
  placeWildcards(wildcards, byHost, registry)
  return owners
}

function placeWildcards(
  wildcards: readonly { readonly pattern: string; readonly owner: MeshOwner }[],
  byHost: ReadonlyMap<string, MeshOwner>,
  registry: ServiceRegistry,
): void {
  const longestFirst = wildcards.toSorted((a, b) => b.pattern.length - a.pattern.length)
  const used = new Set<string>()
  for (const service of registry.all()) {
    if (byHost.has(service.host)) continue
    const found = longestFirst.find(({ pattern }) => covers(pattern, service.host))
    if (found === undefined) continue
    found.owner.services.push(service)
    used.add(found.pattern)
  }
  for (const { pattern, owner } of wildcards) if (!used.has(pattern)) owner.hosts.push(pattern)
}

function covers(pattern: string, host: string): boolean {
  return host.startsWith('*') ? hostCovers(pattern, host) : hostMatches(pattern, host)
}

function reportLoser(
  winner: MeshOwner,
  loser: MeshOwner,
  host: string,
  index: number,
  findings: Findings,
): void {
  const resource = loser.bound.resource
  const rules = (resource.spec.http ?? []).map((rule, at) => rule.name ?? `http[${at}]`)
  findings.report(
    'warning',
    'virtual-service-shadowed',
    { resource, path: ['spec', 'hosts', index] },
    `host ${host} belongs to the older VirtualService ${describe(winner.bound.resource)}: inside the mesh rules are not merged, and those of ${describe(resource)} (${rules.join(', ') || 'none'}) are not used for it`,
    'put all rules of a host into one VirtualService',
  )
}
