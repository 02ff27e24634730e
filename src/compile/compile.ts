import { hostCovers } from '../config/hosts.ts'
import type { EgressPlan } from '../snapshot/egress-plan.ts'
import type { ListenerPlan } from '../snapshot/listener-plan.ts'
import { ClusterBook } from './clusters.ts'
import { CompileMemory } from './compile-memory.ts'
import { type CompileInput, type CompileResult, settingsOf } from './compile-input.ts'
import { Credentials } from './credentials.ts'
import { reportDefaultExports, withDefaultExports } from './default-exports.ts'
import { Destinations } from './destinations.ts'
import { EgressViews } from './egress/egress-views.ts'
import { egressControl } from './egress/sidecar-control.ts'
import { parentProxy } from './egress/parent-proxy.ts'
import { egressPolicy, unknownHost } from './egress/unknown-host.ts'
import { NO_RULE_SETTINGS } from './envoy-filters-scope.ts'
import { EnvoyFilterIndex } from './envoy-filters.ts'
import { FilterServices } from './filter-services.ts'
import { Findings } from './findings.ts'
import { AcmeSources } from './gateway/acme-sources.ts'
import { Bindings, reportBindings } from './gateway/bindings.ts'
import { groupServers } from './gateway/gateway-servers.ts'
import { HttpTables } from './gateway/http-table.ts'
import { Listeners } from './gateway/listeners.ts'
import { PassingChains } from './gateway/passing-chains.ts'
import { PortTranslation } from './gateway/port-translation.ts'
import { selectGateways } from './gateway/selection.ts'
import { TlsChains } from './gateway/tls-chains.ts'
import { meshSettings } from './mesh-settings.ts'
import { orderedSet } from './ordering.ts'
import { DestinationRules } from './policy/destination-rules.ts'
import { RateLimitPolicies } from './rate-limit-policies.ts'
import { RequestAuthentications } from './request-authentications.ts'
import { ServiceRegistry } from './registry/service-registry.ts'
import { Delegation } from './routes/delegation.ts'
import { HttpRules } from './routes/http-rules.ts'
import { DraftKeeper } from './routes/draft-keeper.ts'
import { RouteActions } from './routes/route-actions.ts'
import type { FiltersFor } from './routes/virtual-host-builder.ts'

/**
 * Resources in, one immutable snapshot out. Pure: no I/O, no clock, no randomness; equal input gives
 * an equal snapshot, whatever the order of the resources.
 */
export function compileSnapshot(input: CompileInput): CompileResult {
  const set = withDefaultExports(orderedSet(input.set), input.meshConfig)
  const memory = input.memory ?? new CompileMemory()
  const parts = assemble({ ...input, set }, memory)
  const listeners = compileListeners(parts)
  const egress = compileEgress(parts)
  const { registry, findings } = parts
  reportDefaultExports(input.meshConfig, findings)
  parts.filters.finish()
  parts.policies.finish()
  const isKnown = (host: string): boolean =>
    registry.all().some((one) => hostCovers(host, one.host))
  parts.rules.reportUnused(isKnown, findings)
  const { generation } = input
  const clusters = parts.clusters.all()
  memory.keep(clusters)
  const { meshConfig, compat, trustedProxies, limits } = input
  const mesh = meshSettings(meshConfig, compat, findings, { trustedProxies, limits })
  return {
    snapshot: { generation, listeners, egress, clusters, mesh },
    problems: findings.sorted(),
  }
}

/** What both directions share. */
type Parts = ReturnType<typeof assemble>

function assemble(input: CompileInput, memory: CompileMemory) {
  const { set } = input
  const settings = settingsOf(input)
  memory.begin(settings)
  const findings = new Findings()
  const registry = new ServiceRegistry(set, settings, findings)
  const rules = DestinationRules.of(set.destinationRules, settings, findings, set.withheldRules)
  const credentials = new Credentials(set.secrets, settings.namespace)
  const clusters = new ClusterBook({ rules, credentials, settings, memory, findings })
  const destinations = new Destinations({ registry, clusters, settings, findings })
  const keeper = new DraftKeeper(memory.drafts, destinations, findings)
  const actions = new RouteActions(keeper.destinations, settings, keeper.findings)
  const delegation = new Delegation(set.virtualServices, settings, findings)
  const httpRules = new HttpRules({
    delegation,
    actions,
    settings,
    findings: keeper.findings,
    keeper,
  })
  const bindings = new Bindings(set.virtualServices, delegation, memory.names, settings, findings)
  const services = new FilterServices(registry, rules)
  const filters = filterIndex(input, settings.rootNamespace, { services, findings })
  const authentications = new RequestAuthentications(
    set,
    input.authenticators ?? null,
    settings,
    findings,
  )
  const policies = new RateLimitPolicies(set, findings, (names) => authentications.covers(names))
  const filtersFor: FiltersFor = (scope, rule = NO_RULE_SETTINGS) =>
    filters.filtersFor(scope, policies.added(scope, rule))
  return {
    set,
    settings,
    findings,
    registry,
    rules,
    credentials,
    clusters,
    destinations,
    httpRules,
    bindings,
    filters,
    policies,
    authentications,
    filtersFor,
    keptHosts: filters.patchesRoutes || !policies.isEmpty ? null : memory.hosts,
  }
}

function compileListeners(parts: Parts): readonly ListenerPlan[] {
  const { set, settings, findings, bindings, httpRules, filtersFor, destinations } = parts
  const served = selectGateways(set.gateways, settings, findings)
  const names = set.gateways.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
  reportBindings(set.virtualServices, { names: new Set(names), served }, settings, findings)
  const translation = new PortTranslation(set, settings, findings)
  const groups = groupServers(served, translation, findings)
  const { authentications } = parts
  authentications.place(served)
  const rules = httpRules
  const tables = new HttpTables({
    bindings,
    rules,
    filtersFor,
    findings,
    authentications,
    keptHosts: parts.keptHosts,
  })
  const { credentials, clusters, registry } = parts
  const passing = new PassingChains({ bindings, destinations, clusters, registry, findings })
  const chains = new TlsChains({
    tables,
    passing,
    credentials,
    bindings,
    destinations,
    settings,
    findings,
    acme: new AcmeSources(groups, findings),
  })
  const listeners = new Listeners({ tables, chains, bindings, destinations, findings }).build(
    groups,
  )
  tables.reportConflicts()
  return listeners
}

function compileEgress(parts: Parts): EgressPlan {
  const { settings, findings, registry, clusters, filtersFor } = parts
  const views = new EgressViews(parts)
  const policy = egressPolicy(settings.mesh)
  const { names } = views
  const tables = settings.egressOpen ? views.byNamespace() : null
  return {
    policy,
    ...views.own,
    parent: parentProxy({ mesh: settings.mesh, registry, clusters, settings, findings }),
    unknownHost: unknownHost(policy, filtersFor),
    control: {
      ...egressControl({ set: parts.set, registry, names, settings, filtersFor, findings }),
      tables,
    },
  }
}

function filterIndex(
  input: CompileInput,
  rootNamespace: string,
  { services, findings }: { readonly services: FilterServices; readonly findings: Findings },
): EnvoyFilterIndex {
  const configMaps = input.set.configMaps.map(({ metadata, spec, location }) => ({
    namespace: metadata.namespace,
    name: metadata.name,
    data: spec.data ?? {},
    file: location.file,
    line: location.line,
  }))
  return new EnvoyFilterIndex({
    set: input.set,
    ownLabels: input.ownLabels,
    namespace: input.namespace,
    rootNamespace,
    factories: input.filterFactories,
    configMaps: [...(input.rateLimitConfigs ?? []), ...configMaps],
    services,
    report: (problem) => findings.add(problem),
  })
}
