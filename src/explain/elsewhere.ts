import type { CompileSettings } from '../compile/compile-input.ts'
import { Findings } from '../compile/findings.ts'
import { formatLabels } from '../compile/labels.ts'
import { isCatchAll } from '../compile/routes/route-draft.ts'
import { Delegation, isDelegate } from '../compile/routes/delegation.ts'
import { MESH, resolveGatewayName } from '../compile/routes/gateway-names.ts'
import { scopeMismatch, type ScopeMismatch } from '../compile/routes/match-scope.ts'
import type { PlacedMatch, PlacedRule } from '../compile/routes/placed-rule.ts'
import { visibilityOf } from '../compile/visibility.ts'
import { expandHost, hostMatches, narrower } from '../config/hosts.ts'
import type { VirtualServiceSpec } from '../config/kinds/virtual-service.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import type { Resource } from '../config/resource.ts'
import type { VirtualHost } from '../routing/virtual-host.ts'
import { compileRouteMatch } from '../routing/route-match.ts'
import type { ElsewhereHint, Place } from './explanation.ts'
import type { WrittenServer } from './gateway-servers.ts'
import { placeOf, sameResource } from './resource-places.ts'

type Service = Resource<VirtualServiceSpec>

/** Where a request came in, and what it found there. */
export interface Arrival {
  /** Lower-case, without port. */
  readonly host: string
  /** `namespace/name` of the Gateways that serve it, or `mesh` alone. */
  readonly gateways: readonly string[]
  /** The servers of those Gateways on this listener; empty for mesh. */
  readonly servers: readonly WrittenServer[]
  /** Ports that match.port is compared with: Gateway servers of several may share a listener. */
  readonly ports: readonly number[]
  readonly virtualHost: VirtualHost | null
  /** Domain of the virtual host. */
  readonly domain: string | null
  /** Of an egress client, by which exportTo is judged; absent: the gateway's counts. */
  readonly clientNamespace?: string
}

/** More than this is no help. */
const MAX_HINTS = 40

/** VirtualServices and rules for the host that play no part here, each with the reason. */
export class Elsewhere {
  readonly #set: ResourceSet
  readonly #settings: CompileSettings
  readonly #delegation: Delegation
  readonly #gatewayNames: ReadonlySet<string>

  /** `set` in Istio's order. */
  constructor(set: ResourceSet, settings: CompileSettings) {
    this.#set = set
    this.#settings = settings
    this.#delegation = new Delegation(set.virtualServices, settings, new Findings())
    this.#gatewayNames = new Set(
      set.gateways.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
    )
  }

  hints(arrival: Arrival): readonly ElsewhereHint[] {
    const hints: ElsewhereHint[] = []
    for (const service of this.#set.virtualServices) {
      if (isDelegate(service)) continue
      hints.push(...this.#ofService(service, arrival))
      if (hints.length >= MAX_HINTS) break
    }
    return hints.slice(0, MAX_HINTS)
  }

  #ofService(service: Service, arrival: Arrival): readonly ElsewhereHint[] {
    const hosts = this.#hostsOf(service)
    const index = hosts.findIndex((host) => hostMatches(host, arrival.host))
    if (index === -1) return this.#shortName(service, arrival)
    const reason =
      this.#hidden(service, arrival) ??
      this.#unbound(service, arrival) ??
      this.#offServer(service, arrival)
    if (reason !== null) return [{ place: placeOf(service, reason.path), reason: reason.text }]
    const place = placeOf(service, ['spec', 'hosts', index])
    const host = hosts[index] ?? ''
    if (arrival.virtualHost === null || arrival.domain === null) return []
    if (!this.#hasDomain(service, arrival)) {
      const text = `its host ${host} is less specific than ${arrival.domain}: rules of different hosts are never combined`
      return [{ place, reason: text }]
    }
    const present = arrival.virtualHost.routes.some(({ origin }) =>
      sameResource(origin, placeOf(service)),
    )
    if (!present && arrival.gateways[0] === MESH && !this.#delegates(service)) {
      const text = `${host} belongs to another VirtualService, which is older or the client's namespace's own: inside the mesh rules are not merged`
      return [{ place, reason: text }]
    }
    return this.#excludedRules(service, arrival)
  }

  #hostsOf(service: Service): readonly string[] {
    const { namespace } = service.metadata
    return (service.spec.hosts ?? []).map((host) =>
      expandHost(host, namespace, this.#settings.domain).toLowerCase(),
    )
  }

  /** `reviews` on a Gateway means `reviews.default.svc.cluster.local`, not the Host `reviews`. */
  #shortName(service: Service, arrival: Arrival): readonly ElsewhereHint[] {
    if (arrival.gateways[0] === MESH) return []
    const index = (service.spec.hosts ?? []).findIndex((one) => one.toLowerCase() === arrival.host)
    if (index === -1) return []
    const full = this.#hostsOf(service)[index] ?? ''
    const reason = `its host ${arrival.host} has no dot, so it means ${full}, which the request does not ask for`
    return [{ place: placeOf(service, ['spec', 'hosts', index]), reason }]
  }

  #hidden(service: Service, { clientNamespace }: Arrival): HintText | null {
    const namespace = clientNamespace ?? this.#settings.namespace
    if (visibilityOf(service, namespace) !== 'hidden') return null
    const stands = namespace === this.#settings.namespace ? 'the gateway' : 'the client'
    const text = `exportTo hides it from namespace ${namespace}, where ${stands} stands`
    return { path: ['spec', 'exportTo'], text }
  }

  #unbound(service: Service, arrival: Arrival): HintText | null {
    const bound = this.#gatewaysOf(service)
    if (bound.some((name) => arrival.gateways.includes(name))) return null
    const missing = bound.find((name) => name !== MESH && !this.#gatewayNames.has(name))
    const here = arrival.gateways.join(', ')
    const path = service.spec.gateways === undefined ? ['spec'] : ['spec', 'gateways']
    if (missing !== undefined)
      return { path, text: `it names Gateway ${missing}, which does not exist` }
    if (here === MESH) return { path, text: `it is bound to ${bound.join(', ')} only, not to mesh` }
    const own =
      service.spec.gateways === undefined
        ? 'it names no gateways, which means mesh'
        : `it is bound to ${bound.join(', ')}`
    return { path, text: here === '' ? own : `${own}; this request came in on ${here}` }
  }

  /** Every Gateway a VirtualService names, itself or in a match. */
  #gatewaysOf(service: Service): readonly string[] {
    const { gateways = [] } = service.spec
    const written = gateways.length === 0 ? [MESH] : gateways
    const names = new Set(written.map((one) => resolveGatewayName(one, service.metadata.namespace)))
    for (const { matches } of this.#delegation.rulesOf(service)) {
      for (const { spec, place } of matches) {
        for (const one of spec.gateways ?? []) {
          names.add(resolveGatewayName(one, place.resource.metadata.namespace))
        }
      }
    }
    return [...names]
  }

  #offServer(service: Service, arrival: Arrival): HintText | null {
    if (arrival.servers.length === 0) return null
    const bound = this.#gatewaysOf(service)
    const servers = arrival.servers.filter(({ gateway }) => bound.includes(gateway))
    if (this.#domains(service, servers).length > 0) return null
    const path = ['spec', 'hosts']
    const limited = servers
      .flatMap(({ hosts }) => hosts)
      .find(
        ({ host, namespace }) =>
          namespace !== null &&
          namespace !== service.metadata.namespace &&
          hostMatches(host, arrival.host),
      )
    if (limited !== undefined) {
      return {
        path,
        text: `the Gateway admits ${limited.host} only from VirtualServices of namespace ${limited.namespace}`,
      }
    }
    const admitted = servers.flatMap(({ hosts }) => hosts.map(({ host }) => host)).join(', ')
    return { path, text: `no host of it is among the hosts of the Gateway's server: ${admitted}` }
  }

  /** Domains the VirtualService gets on the servers: the narrower of its hosts and theirs. */
  #domains(service: Service, servers: readonly WrittenServer[]): readonly string[] {
    const { namespace } = service.metadata
    const domains = new Set<string>()
    for (const { hosts } of servers) {
      for (const { host, namespace: owner } of hosts) {
        if (owner !== null && owner !== namespace) continue
        for (const own of this.#hostsOf(service)) {
          const domain = narrower(own, host)
          if (domain !== null) domains.add(domain)
        }
      }
    }
    return [...domains]
  }

  #hasDomain(service: Service, arrival: Arrival): boolean {
    if (arrival.servers.length === 0) return true
    const bound = this.#gatewaysOf(service)
    const servers = arrival.servers.filter(({ gateway }) => bound.includes(gateway))
    return this.#domains(service, servers).includes(arrival.domain ?? '')
  }

  #delegates(service: Service): boolean {
    return (service.spec.http ?? []).some(({ delegate }) => delegate !== undefined)
  }

  /** Rules that did not become routes of the virtual host. */
  #excludedRules(service: Service, arrival: Arrival): readonly ElsewhereHint[] {
    const hints: ElsewhereHint[] = []
    let unconditional: Place | null = null
    for (const rule of this.#delegation.rulesOf(service)) {
      const places = rule.matches.length === 0 ? [null] : rule.matches
      for (const match of places) {
        const place = match === null ? rule.place : match.place
        const at = placeOf(place.resource, place.path)
        const present = (arrival.virtualHost?.routes ?? []).some(
          ({ origin }) => sameResource(origin, at) && origin.path === at.path,
        )
        if (present) {
          if (match === null || takesAll(match)) unconditional ??= at
          continue
        }
        const reason = this.#whyExcluded(service, rule, match, arrival, unconditional)
        hints.push({ place: at, reason })
      }
    }
    return hints
  }

  #whyExcluded(
    service: Service,
    rule: PlacedRule,
    match: PlacedMatch | null,
    arrival: Arrival,
    unconditional: Place | null,
  ): string {
    const { gateways = [] } = service.spec
    const written = gateways.length === 0 ? [MESH] : gateways
    const listed = written.map((one) => resolveGatewayName(one, service.metadata.namespace))
    const scopes = arrival.gateways.flatMap((gateway) =>
      arrival.ports.map((port) => ({ gateway, listed: listed.includes(gateway), port })),
    )
    const mismatches = scopes.map((scope) => {
      if (match === null) return scope.listed ? null : ('not-bound' as const)
      return scopeMismatch(
        match.spec,
        match.place.resource.metadata.namespace,
        scope,
        this.#settings,
      )
    })
    const first = mismatches.includes(null) ? null : (mismatches[0] ?? null)
    if (first !== null) return this.#mismatchText(first, match, arrival)
    if (unconditional !== null) {
      return `it stands behind ${unconditional.path}${lineOf(unconditional)}, which takes every request`
    }
    const nothing =
      rule.rule.route === undefined &&
      rule.rule.redirect === undefined &&
      rule.rule.directResponse === undefined
    return nothing ? 'it says nothing to do' : 'it could not be compiled: see the problems'
  }

  #mismatchText(kind: ScopeMismatch, match: PlacedMatch | null, arrival: Arrival): string {
    const here = arrival.gateways.join(', ')
    switch (kind) {
      case 'port':
        return `match.port is ${match?.spec.port ?? 0}, this is port ${arrival.ports.join(', ')}`
      case 'gateways':
        return `match.gateways names ${(match?.spec.gateways ?? []).join(', ')}, this request came in on ${here}`
      case 'not-bound':
        return `only other rules of this VirtualService name ${here}`
      case 'source': {
        const { sourceLabels, sourceNamespace = '' } = match?.spec ?? {}
        const wanted =
          sourceLabels === undefined
            ? `sourceNamespace ${sourceNamespace}`
            : `sourceLabels ${formatLabels(sourceLabels)}`
        return `${wanted} are compared with the gateway itself, never with the client, and are not its own`
      }
    }
  }
}

interface HintText {
  readonly path: readonly (string | number)[]
  readonly text: string
}

function takesAll(match: PlacedMatch): boolean {
  const { match: compiled, errors } = compileRouteMatch(match.spec)
  return errors.length === 0 && isCatchAll(compiled)
}

function lineOf({ file, line }: Place): string {
  return line === null ? '' : ` (${file}:${line})`
}
