import type { Problem } from '../config/problems.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import type {
  ConfigMapView,
  Filter,
  FilterCompileContext,
  FilterFactory,
  FilterLayer,
  FilterSettings,
  RuleField,
  ServiceAddress,
} from '../filters/filter.ts'
import { isJsonObject } from './envoy-filters-canonical.ts'
import { buildChain, type HttpChain } from './envoy-filters-chain.ts'
import { addLayer } from './envoy-filters-merge.ts'
import {
  type Condition,
  listenerConditions,
  routeConditions,
  unsupportedListenerField,
} from './envoy-filters-match.ts'
import {
  type ClusterPatch,
  type HttpFilterPatch,
  PatchSource,
  readPatch,
  type RoutePatch,
} from './envoy-filters-patch.ts'
import { PatchReporter } from './envoy-filters-reporter.ts'
import { NO_RULE_SETTINGS, type RouteScope, type RuleSettings } from './envoy-filters-scope.ts'
import { excludedByProxy, labelsMatch, selectEnvoyFilters } from './envoy-filters-select.ts'
import { explainMiss } from './envoy-filters-unmatched.ts'
import { hintForTarget } from './envoy-filters-unsupported.ts'
import { addedCluster, type FilterServices } from './filter-services.ts'

export interface EnvoyFilterInput {
  readonly set: ResourceSet
  /** Label sets this process stands for; none: every EnvoyFilter of the namespaces applies. */
  readonly ownLabels: readonly Readonly<Record<string, string>>[]
  readonly namespace: string
  readonly rootNamespace: string
  readonly factories: readonly FilterFactory[]
  readonly configMaps: readonly ConfigMapView[]
  /** Services by Istio's cluster name. Absent: none is known. */
  readonly services?: FilterServices
  report(problem: Problem): void
}

/** A patch that may apply to routes, and what became of it. */
class Candidate<P extends HttpFilterPatch | RoutePatch> {
  readonly patch: P
  readonly conditions: readonly Condition[]
  matched = false
  /** True once a filter of ours stood in the chain of a route it matched. */
  effective = false
  /** Filter names of `typed_per_filter_config` that a chain really had. */
  readonly perFilterNames = new Set<string>()

  constructor(patch: P, conditions: readonly Condition[]) {
    this.patch = patch
    this.conditions = conditions
  }
}

/**
 * EnvoyFilters resolved to filters of routes (Istio EnvoyFilter.configPatches): ask for every route
 * with `filtersFor`, then `finish` to hear which patches matched nothing.
 */
export class EnvoyFilterIndex {
  readonly #input: EnvoyFilterInput
  readonly #context: FilterCompileContext
  readonly #reporter: PatchReporter
  readonly #httpFilters: Candidate<HttpFilterPatch>[] = []
  readonly #routePatches: Candidate<RoutePatch>[] = []
  readonly #clusters: ClusterPatch[] = []
  readonly #usedClusters = new Set<string>()
  /** Own label sets that a Gateway's selector matches; null: all. */
  readonly #gatewayIdentities = new Map<string, ReadonlySet<number> | null>()
  readonly #chains = new Map<string, HttpChain>()
  readonly #fieldFactories = new Map<RuleField, FilterFactory>()
  readonly #scopes: RouteScope[] = []

  constructor(input: EnvoyFilterInput) {
    this.#input = input
    this.#reporter = new PatchReporter((problem) => input.report(problem))
    this.#context = this.#reporter.contextFor(input.configMaps, (name) => this.#findService(name))
    for (const factory of input.factories) {
      if (factory.field !== undefined) this.#fieldFactories.set(factory.field, factory)
    }
    this.#indexGateways()
    this.#readFilters()
    for (const factory of input.factories) factory.begin?.(this.#context)
  }

  #findService(clusterName: string): readonly ServiceAddress[] | string {
    const added = this.#clusters.find(({ name }) => name === clusterName)
    if (added !== undefined) return addedCluster(added.value)
    return this.#input.services?.find(clusterName) ?? `no cluster "${clusterName}" is known`
  }

  /** False: rules get filters by their own fields alone. */
  get patchesRoutes(): boolean {
    return this.#httpFilters.length > 0 || this.#routePatches.length > 0
  }

  /**
   * The filters that do something on this route, in order of execution: those its rule asks for
   * (`rule`) at their places in Istio's chain, and those that patches inserted around them.
   */
  filtersFor(route: RouteScope, rule: RuleSettings = NO_RULE_SETTINGS): readonly Filter[] {
    if (!this.patchesRoutes && rule === NO_RULE_SETTINGS) return NO_FILTERS
    this.#scopes.push(route)
    const chain = this.#chainFor(route)
    let virtualHost: readonly FilterLayer[] = []
    let routeLayers: readonly FilterLayer[] = []
    for (const candidate of this.#routePatches) {
      if (!this.#applies(candidate, route)) continue
      this.#notePatchUse(candidate, chain)
      const { target, layer, operation } = candidate.patch
      if (target === 'VIRTUAL_HOST') virtualHost = addLayer(virtualHost, layer, operation)
      else routeLayers = addLayer(routeLayers, layer, operation)
    }
    const filters: Filter[] = []
    for (const { name, field, factory: inserted, layer: patched } of chain.running) {
      const factory = field === null ? inserted : (this.#fieldFactories.get(field) ?? null)
      const layer = field === null ? patched : (rule[field] ?? null)
      if (factory === null || layer === null) continue
      const settings: FilterSettings = {
        listener: layer,
        virtualHost,
        route: routeLayers,
        filterName: name,
        virtualHostName: route.virtualHostName,
        routeName: route.routeName,
        action: route.action,
      }
      const filter = factory.compile(settings, this.#context)
      if (filter !== null) filters.push(filter)
    }
    return filters
  }

  /** Reports patches without effect. Call once, after the last route. */
  finish(): void {
    for (const candidate of this.#httpFilters) {
      if (!candidate.matched) this.#reportMiss(candidate)
    }
    for (const candidate of this.#routePatches) {
      if (!candidate.matched) this.#reportMiss(candidate)
      else this.#reportIneffective(candidate)
    }
    for (const { source, name } of this.#clusters) {
      if (this.#usedClusters.has(name)) continue
      this.#reporter.at(
        source,
        'warning',
        'envoy-filter-not-supported',
        source.path('patch', 'value'),
        `cluster "${name}" is not added: no rate limit filter refers to it`,
        hintForTarget('CLUSTER'),
      )
    }
  }

  #indexGateways(): void {
    const { ownLabels, set } = this.#input
    for (const { metadata, spec } of set.gateways) {
      const matching = new Set<number>()
      for (const [index, labels] of ownLabels.entries()) {
        if (labelsMatch(spec.selector, labels)) matching.add(index)
      }
      const key = `${metadata.namespace}/${metadata.name}`
      this.#gatewayIdentities.set(key, ownLabels.length === 0 ? null : matching)
    }
  }

  #readFilters(): void {
    const { set, ownLabels, namespace, rootNamespace, factories } = this.#input
    const selection = selectEnvoyFilters({
      filters: set.envoyFilters,
      ownLabels,
      namespace,
      rootNamespace,
    })
    for (const { resource, path, message, hint } of selection.unselected) {
      this.#reporter.on(resource, {
        // With labels the gateway shares its cluster with workloads these filters are meant for.
        severity: ownLabels.length === 0 ? 'warning' : 'info',
        code: 'envoy-filter-unmatched',
        path,
        message,
        hint,
      })
    }
    for (const filter of selection.selected) {
      this.#reporter.know(filter.resource)
      for (const [index, spec] of (filter.resource.spec.configPatches ?? []).entries()) {
        this.#readOne(new PatchSource(filter, index, spec), factories)
      }
    }
  }

  #readOne(source: PatchSource, factories: readonly FilterFactory[]): void {
    const excluded = excludedByProxy(source.spec.match)
    if (excluded !== null) {
      const path = source.path('match')
      this.#reporter.at(
        source,
        'info',
        'envoy-filter-unmatched',
        path,
        `the patch does not apply: ${excluded}`,
        null,
      )
      return
    }
    const field = unsupportedListenerField(source)
    if (field !== null) {
      const path = source.path('match', ...field.split('.'))
      this.#reporter.at(
        source,
        'warning',
        'envoy-filter-not-supported',
        path,
        `match.${field} is not supported, so the patch is not applied`,
        'Match by portNumber, gateway or virtual host instead.',
      )
      return
    }
    const patch = readPatch(source, factories, (where, steps, message, hint) =>
      this.#reporter.at(
        where,
        'warning',
        'envoy-filter-not-supported',
        where.path(...steps),
        message,
        hint,
      ),
    )
    if (patch === null) return
    if (patch.type === 'cluster') this.#clusters.push(patch)
    else if (patch.type === 'route') {
      this.#routePatches.push(new Candidate(patch, routeConditions(source)))
    } else {
      this.#httpFilters.push(new Candidate(patch, listenerConditions(source)))
      if (patch.factory !== null && patch.layer !== null) {
        collectClusterNames(patch.layer.value, this.#usedClusters)
      }
    }
  }

  #chainFor(route: RouteScope): HttpChain {
    const key = `${route.context} ${route.portNumber} ${route.routeTable} ${route.gateways.join(' ')}`
    let chain = this.#chains.get(key)
    if (chain === undefined) {
      const patches = this.#httpFilters.filter((candidate) => this.#applies(candidate, route))
      chain = buildChain(patches.map(({ patch }) => patch))
      this.#chains.set(key, chain)
      this.#reportChain(chain)
    }
    return chain
  }

  #applies(candidate: Candidate<HttpFilterPatch | RoutePatch>, route: RouteScope): boolean {
    if (!this.#standsFor(candidate.patch.source, route)) return false
    for (const condition of candidate.conditions) if (!condition.matches(route)) return false
    candidate.matched = true
    return true
  }

  /** A process may stand for several gateways; a filter for one of them leaves the others alone. */
  #standsFor(source: PatchSource, route: RouteScope): boolean {
    const { identities } = source
    if (identities === null || route.context !== 'GATEWAY' || route.gateways.length === 0)
      return true
    return route.gateways.some((gateway) => {
      const own = this.#gatewayIdentities.get(gateway) ?? null
      return own === null || [...own].some((identity) => identities.has(identity))
    })
  }

  #notePatchUse(candidate: Candidate<RoutePatch>, chain: HttpChain): void {
    const perFilter = candidate.patch.layer.value['typedPerFilterConfig']
    for (const { name, field, factory } of chain.running) {
      if (field !== null) continue
      if (factory !== null) candidate.effective = true
      if (isJsonObject(perFilter) && name in perFilter) candidate.perFilterNames.add(name)
    }
  }

  #reportChain(chain: HttpChain): void {
    for (const { patch, name } of chain.behindRouter) {
      // Without an anchor the patch alone says so, and validation already did.
      if (patch === null || patch.operation === 'ADD' || patch.anchor === null) continue
      this.#reporter.at(
        patch.source,
        'warning',
        'filter-after-router',
        patch.source.path('patch', 'operation'),
        `HTTP filter "${name}" stands behind the router and never runs`,
        'Use INSERT_BEFORE with subFilter envoy.filters.http.router.',
      )
    }
    for (const patch of chain.withoutAnchor) {
      this.#reporter.at(
        patch.source,
        'warning',
        'envoy-filter-unmatched',
        patch.source.path('match', 'listener', 'filterChain', 'filter', 'subFilter'),
        `the filter chain has no HTTP filter "${patch.anchor ?? ''}", so nothing is inserted`,
        'Use envoy.filters.http.router as subFilter.',
      )
    }
    for (const patch of chain.onBuiltIn) {
      if (patch.operation === 'MERGE' && patch.factory === null) continue
      this.#reporter.at(
        patch.source,
        'warning',
        'envoy-filter-not-supported',
        patch.source.path('patch', 'operation'),
        `${patch.operation} of the built-in filter "${patch.anchor ?? ''}" is not supported`,
        'Only filters that an EnvoyFilter inserted can be changed.',
      )
    }
  }

  #reportMiss(candidate: Candidate<HttpFilterPatch | RoutePatch>): void {
    const { source } = candidate.patch
    const scopes = this.#scopes.filter((scope) => this.#standsFor(source, scope))
    const miss = explainMiss(candidate.conditions, scopes)
    // Patches for sidecars are common in a cluster and are none of a gateway's business.
    const severity = source.spec.match?.context === 'SIDECAR_OUTBOUND' ? 'info' : 'warning'
    this.#reporter.at(
      source,
      severity,
      'envoy-filter-unmatched',
      miss.path,
      miss.message,
      miss.hint,
    )
  }

  #reportIneffective(candidate: Candidate<RoutePatch>): void {
    const { source, layer } = candidate.patch
    if (!candidate.effective) {
      this.#reporter.at(
        source,
        'warning',
        'envoy-filter-unmatched',
        source.path('patch', 'value'),
        'the patch matches routes, but no HTTP filter that reads it stands in front of them',
        'Insert the filter with an HTTP_FILTER patch for the same gateway.',
      )
      return
    }
    const perFilter = layer.value['typedPerFilterConfig']
    if (!isJsonObject(perFilter)) return
    for (const name of Object.keys(perFilter)) {
      if (candidate.perFilterNames.has(name)) continue
      this.#reporter.at(
        source,
        'warning',
        'envoy-filter-unmatched',
        source.path('patch', 'value', 'typed_per_filter_config', name),
        `typed_per_filter_config names "${name}", and no HTTP filter there has that name`,
        null,
      )
    }
  }
}

const NO_FILTERS: readonly Filter[] = []

function collectClusterNames(value: unknown, into: Set<string>): void {
  if (Array.isArray(value)) {
    for (const item of value) collectClusterNames(item, into)
  } else if (isJsonObject(value)) {
    for (const [key, item] of Object.entries(value)) {
      if (key === 'clusterName' && typeof item === 'string') into.add(item)
      else collectClusterNames(item, into)
    }
  }
}
