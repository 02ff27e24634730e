import { EnvoyFilterIndex } from '../../src/compile/envoy-filters.ts'
import type { RouteScope } from '../../src/compile/envoy-filters-scope.ts'
import type { Problem } from '../../src/config/problems.ts'
import { ResourceStore } from '../../src/config/store.ts'
import type { ConfigMapView, Filter, FilterFactory } from '../../src/filters/filter.ts'

export interface ResolveOptions {
  readonly factories?: readonly FilterFactory[]
  readonly ownLabels?: readonly Readonly<Record<string, string>>[]
  readonly namespace?: string
  readonly rootNamespace?: string
}

export interface Resolved {
  /** Filters per route, in the order asked for. */
  readonly filters: readonly (readonly Filter[])[]
  readonly problems: readonly Problem[]
}

/** Resolves the EnvoyFilters of a YAML text for some routes, as a snapshot's compilation does. */
export function resolveFilters(
  yaml: string,
  routes: readonly Partial<RouteScope>[],
  options: ResolveOptions = {},
): Resolved {
  const { set, problems: loading } = new ResourceStore({ compat: false }).load([
    { path: 'test.yaml', text: yaml, error: null },
  ])
  const broken = loading.filter(({ severity }) => severity === 'error')
  if (broken.length > 0) throw new Error(broken.map(({ message }) => message).join('; '))
  const problems: Problem[] = []
  const index = new EnvoyFilterIndex({
    set,
    ownLabels: options.ownLabels ?? [],
    namespace: options.namespace ?? 'istio-system',
    rootNamespace: options.rootNamespace ?? 'istio-system',
    factories: options.factories ?? [],
    configMaps: set.configMaps.map(({ metadata, spec, location }): ConfigMapView => ({
      namespace: metadata.namespace,
      name: metadata.name,
      data: spec.data ?? {},
      file: location.file,
      line: location.line,
    })),
    report: (problem) => problems.push(problem),
  })
  const filters = routes.map((route) => index.filtersFor(routeScope(route)))
  index.finish()
  return { filters, problems }
}

/** A route of `bookinfo.com` on gateway `default/gw`, port 80. */
function routeScope(scope: Partial<RouteScope> = {}): RouteScope {
  return {
    context: 'GATEWAY',
    gateways: ['default/gw'],
    portNumber: 80,
    routeTable: 'http.8080',
    virtualHostName: 'bookinfo.com:80',
    domains: ['bookinfo.com'],
    routeName: '',
    action: 'ROUTE',
    ...scope,
  }
}

/** The one filter of a route. */
export function only(filters: readonly Filter[]): Filter {
  const [filter, ...others] = filters
  if (filter === undefined || others.length > 0) {
    throw new Error(`one filter expected, found ${filters.length}`)
  }
  return filter
}
