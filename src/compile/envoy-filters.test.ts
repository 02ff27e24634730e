import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { RouteScope } from './envoy-filters-scope.ts'
import type { Filter, FilterFactory, FilterSettings } from '../filters/filter.ts'
import { CONTINUE } from '../filters/filter.ts'
import {
  resolveFilters,
  type Resolved,
  type ResolveOptions,
} from '../../test/support/envoy-filters.ts'

class SettingsFilter implements Filter {
  readonly name: string
  readonly settings: FilterSettings

  constructor(settings: FilterSettings) {
    this.name = settings.filterName
    this.settings = settings
  }

  onRequest(): typeof CONTINUE {
    return CONTINUE
  }
}

/** Implements `test.Type` and keeps the settings it was compiled from. */
const factory: FilterFactory = {
  name: 'test',
  typeUrls: ['test.Type'],
  compile: (settings) => new SettingsFilter(settings),
}

interface EnvoyFilterSketch {
  readonly name?: string
  readonly namespace?: string
  readonly created?: string
  readonly labels?: object
  readonly priority?: number
  readonly patches: readonly object[]
}

function yamlOf(...sketches: EnvoyFilterSketch[]): string {
  return sketches
    .map((sketch, index) =>
      stringify({
        apiVersion: 'networking.istio.io/v1alpha3',
        kind: 'EnvoyFilter',
        metadata: {
          name: sketch.name ?? `filter-${index}`,
          namespace: sketch.namespace ?? 'istio-system',
          ...(sketch.created ? { creationTimestamp: sketch.created } : {}),
        },
        spec: {
          ...(sketch.labels ? { workloadSelector: { labels: sketch.labels } } : {}),
          ...(sketch.priority === undefined ? {} : { priority: sketch.priority }),
          configPatches: sketch.patches,
        },
      }),
    )
    .join('---\n')
}

const ROUTER = 'envoy.filters.http.router'

function anchoredAt(subFilter: string | null): object {
  return {
    filterChain: {
      filter: {
        name: 'envoy.filters.network.http_connection_manager',
        ...(subFilter === null ? {} : { subFilter: { name: subFilter } }),
      },
    },
  }
}

function insert(
  name: string,
  operation = 'INSERT_BEFORE',
  subFilter: string | null = ROUTER,
  more: { match?: object; type?: string; config?: object } = {},
): object {
  return {
    applyTo: 'HTTP_FILTER',
    match: { context: 'GATEWAY', listener: anchoredAt(subFilter), ...more.match },
    patch: {
      operation,
      value: {
        name,
        typed_config: {
          '@type': `type.googleapis.com/${more.type ?? 'test.Type'}`,
          ...more.config,
        },
      },
    },
  }
}

function virtualHost(tag: string, routeConfiguration: object = {}, operation = 'MERGE'): object {
  return {
    applyTo: 'VIRTUAL_HOST',
    match: { context: 'GATEWAY', routeConfiguration },
    patch: { operation, value: { rate_limits: [{ tag }] } },
  }
}

function route(tag: string, routeConfiguration: object = {}, operation = 'MERGE'): object {
  return {
    applyTo: 'HTTP_ROUTE',
    match: { context: 'GATEWAY', routeConfiguration },
    patch: { operation, value: { route: { rate_limits: [{ tag }] } } },
  }
}

function resolve(
  sketches: readonly EnvoyFilterSketch[],
  routes: readonly Partial<RouteScope>[] = [{}],
  options: ResolveOptions = {},
): Resolved {
  return resolveFilters(yamlOf(...sketches), routes, { factories: [factory], ...options })
}

function names(filters: readonly Filter[] | undefined): readonly string[] {
  return (filters ?? []).map(({ name }) => name)
}

function settingsOf(resolved: Resolved, index = 0): FilterSettings {
  const filter = resolved.filters[index]?.[0]
  if (!(filter instanceof SettingsFilter)) throw new Error('no filter')
  return filter.settings
}

/** Tags of all rate limits a route gets from its virtual host and from itself. */
function tags(resolved: Resolved, index = 0): readonly unknown[] {
  const { virtualHost: fromHost, route: fromRoute } = settingsOf(resolved, index)
  const values = [...fromHost, ...fromRoute].map(({ value }) => value)
  return values.flatMap((value) => {
    const holder = value['route'] ?? value
    const list = (holder as { rateLimits?: { tag: string }[] }).rateLimits ?? []
    return list.map(({ tag }) => tag)
  })
}

describe('which EnvoyFilters apply', () => {
  const patches = [insert('here')]
  const cases: readonly (readonly [string, EnvoyFilterSketch, ResolveOptions, boolean])[] = [
    ['no selector', { patches }, { ownLabels: [{ app: 'edge' }] }, true],
    [
      'labels that match',
      { patches, labels: { app: 'edge' } },
      { ownLabels: [{ app: 'edge', x: 'y' }] },
      true,
    ],
    [
      'labels that do not',
      { patches, labels: { app: 'other' } },
      { ownLabels: [{ app: 'edge' }] },
      false,
    ],
    [
      'labels of the second identity',
      { patches, labels: { app: 'b' } },
      { ownLabels: [{ app: 'a' }, { app: 'b' }] },
      true,
    ],
    ['no own labels: everything', { patches, labels: { app: 'other' } }, {}, true],
    ['own namespace', { patches, namespace: 'edge' }, { namespace: 'edge' }, true],
    ['root namespace', { patches, namespace: 'istio-system' }, { namespace: 'edge' }, true],
    ['another namespace', { patches, namespace: 'shop' }, { namespace: 'edge' }, false],
  ]

  test.each(cases)('%s', (_name, sketch, options, applies) => {
    const { filters, problems } = resolve([sketch], [{}], options)
    expect(filters[0]).toHaveLength(applies ? 1 : 0)
    expect(problems).toHaveLength(applies ? 0 : 1)
  })

  test('order: priority, root namespace, age, name', () => {
    const at = (name: string, more: Partial<EnvoyFilterSketch>): EnvoyFilterSketch => ({
      name,
      patches: [insert(name)],
      ...more,
    })
    const { filters } = resolve(
      [
        at('b-undated', { namespace: 'edge' }),
        at('a-undated', { namespace: 'edge' }),
        at('young', { namespace: 'edge', created: '2024-02-01T00:00:00Z' }),
        at('old', { namespace: 'edge', created: '2024-01-01T00:00:00Z' }),
        at('root', {}),
        at('last', { priority: 10 }),
        at('first', { namespace: 'edge', priority: -1 }),
      ],
      [{}],
      { namespace: 'edge' },
    )
    expect(names(filters[0])).toEqual([
      'first',
      'root',
      'old',
      'young',
      'a-undated',
      'b-undated',
      'last',
    ])
  })

  test('a process that stands for two gateways keeps their filters apart', () => {
    const gateways = ['in', 'out'].map((name) =>
      stringify({
        apiVersion: 'networking.istio.io/v1',
        kind: 'Gateway',
        metadata: { name, namespace: 'default' },
        spec: {
          selector: { istio: name },
          servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
        },
      }),
    )
    const filter = yamlOf({ patches: [insert('in-only')], labels: { istio: 'in' } })
    const { filters } = resolveFilters(
      [...gateways, filter].join('---\n'),
      [{ gateways: ['default/in'] }, { gateways: ['default/out'] }],
      { factories: [factory], ownLabels: [{ istio: 'in' }, { istio: 'out' }] },
    )
    expect(filters.map(names)).toEqual([['in-only'], []])
  })

  test.each([
    ['SIDECAR_INBOUND', {}, false],
    ['ANY', {}, true],
    ['GATEWAY', {}, true],
    ['SIDECAR_OUTBOUND', {}, false],
    ['SIDECAR_OUTBOUND', { context: 'SIDECAR_OUTBOUND' }, true],
    ['GATEWAY', { context: 'SIDECAR_OUTBOUND' }, false],
    ['ANY', { context: 'SIDECAR_OUTBOUND' }, true],
  ] as const)('context %s for %j: %s', (context, scope, applies) => {
    const { filters } = resolve(
      [{ patches: [insert('f', 'INSERT_FIRST', null, { match: { context } })] }],
      [scope],
    )
    expect(filters[0]).toHaveLength(applies ? 1 : 0)
  })

  test.each([
    ['^1\\.29', true],
    ['^1\\.9', false],
  ])('proxyVersion %s: %s', (proxyVersion, applies) => {
    const patch = insert('f', 'INSERT_BEFORE', ROUTER, { match: { proxy: { proxyVersion } } })
    const { filters, problems } = resolve([{ patches: [patch] }])
    expect(filters[0]).toHaveLength(applies ? 1 : 0)
    expect(problems.map(({ severity }) => severity)).toEqual(applies ? [] : ['info'])
  })
})

describe('the place in the filter chain', () => {
  const cases: readonly (readonly [string, readonly object[], readonly string[]])[] = [
    ['before the router is last', [insert('a'), insert('b')], ['a', 'b']],
    ['INSERT_FIRST is in front', [insert('a'), insert('b', 'INSERT_FIRST', null)], ['b', 'a']],
    [
      'INSERT_BEFORE without subFilter is in front',
      [insert('a'), insert('b', 'INSERT_BEFORE', null)],
      ['b', 'a'],
    ],
    [
      'before a filter of Istio’s own',
      [insert('a'), insert('b', 'INSERT_BEFORE', 'envoy.filters.http.cors')],
      ['b', 'a'],
    ],
    [
      'after a filter that a patch inserted',
      [insert('a'), insert('b'), insert('c', 'INSERT_AFTER', 'a')],
      ['a', 'c', 'b'],
    ],
    ['legacy names of anchors', [insert('a', 'INSERT_BEFORE', 'envoy.router')], ['a']],
    [
      'REPLACE takes the place',
      [insert('a'), insert('b'), insert('c', 'REPLACE', 'a')],
      ['c', 'b'],
    ],
    [
      'REMOVE takes it out',
      [
        insert('a'),
        insert('b'),
        {
          applyTo: 'HTTP_FILTER',
          match: { context: 'GATEWAY', listener: anchoredAt('a') },
          patch: { operation: 'REMOVE' },
        },
      ],
      ['b'],
    ],
    [
      'a legacy name of the filter itself',
      [insert('envoy.ratelimit')],
      ['envoy.filters.http.ratelimit'],
    ],
  ]

  test.each(cases)('%s', (_name, patches, order) => {
    const { filters, problems } = resolve([{ patches }])
    expect(names(filters[0])).toEqual(order)
    expect(problems).toEqual([])
  })

  test('behind the router nothing runs, and that is said', () => {
    const { filters, problems } = resolve([{ patches: [insert('late', 'INSERT_AFTER', ROUTER)] }])
    expect(filters[0]).toEqual([])
    expect(problems).toMatchObject([{ code: 'filter-after-router', severity: 'warning' }])
  })

  test('a subFilter that is not there inserts nothing, and that is said', () => {
    const { filters, problems } = resolve([
      { patches: [insert('a', 'INSERT_BEFORE', 'envoy.filters.http.jwt_authn')] },
    ])
    expect(filters[0]).toEqual([])
    expect(problems).toMatchObject([
      {
        code: 'envoy-filter-unmatched',
        message: expect.stringContaining('envoy.filters.http.jwt_authn'),
      },
    ])
  })

  test('MERGE changes a filter another patch inserted, whatever the order', () => {
    const merge = insert('', 'MERGE', 'a', { config: { some_list: [2], flag: true } })
    const resolved = resolve([
      {
        patches: [
          merge,
          insert('a', 'INSERT_FIRST', null, { config: { someList: [1], flag: false } }),
        ],
      },
    ])
    expect(settingsOf(resolved).listener.value).toEqual({ someList: [1, 2], flag: true })
  })

  test.each([
    [{ portNumber: 80 }, true],
    [{ portNumber: 8080 }, true],
    [{ portNumber: 443 }, false],
    [{ name: '0.0.0.0_8080' }, true],
    [{ name: '0.0.0.0_8443' }, false],
  ])('listener match %j: %s', (listener, applies) => {
    const patch = insert('f', 'INSERT_FIRST', null, { match: { listener } })
    const { filters, problems } = resolve([{ patches: [patch] }])
    expect(filters[0]).toHaveLength(applies ? 1 : 0)
    expect(problems).toHaveLength(applies ? 0 : 1)
  })
})

describe('virtual host and route patches', () => {
  const cases: readonly (readonly [string, object, Partial<RouteScope>, boolean])[] = [
    ['no condition', {}, {}, true],
    ['the exact virtual host', { vhost: { name: 'bookinfo.com:80' } }, {}, true],
    ['an empty name is any', { vhost: { name: '' } }, {}, true],
    ['the port belongs to the name', { vhost: { name: 'bookinfo.com:8080' } }, {}, false],
    ['a wildcard host is a name like any other', { vhost: { name: '*:80' } }, {}, false],
    ['a domain', { vhost: { domainName: 'bookinfo.com' } }, {}, true],
    ['another domain', { vhost: { domainName: 'bookinfo.org' } }, {}, false],
    ['the Gateway', { gateway: 'default/gw' }, {}, true],
    ['another Gateway', { gateway: 'default/other' }, {}, false],
    ['the route table', { name: 'http.8080' }, {}, true],
    ['the server port', { portNumber: 80 }, {}, true],
    ['the target port', { portNumber: 8080 }, {}, true],
    ['another port', { portNumber: 81 }, {}, false],
  ]

  test.each(cases)('%s', (_name, routeConfiguration, scope, applies) => {
    const resolved = resolve(
      [{ patches: [insert('f'), virtualHost('v', routeConfiguration)] }],
      [scope],
    )
    expect(tags(resolved)).toEqual(applies ? ['v'] : [])
  })

  test.each([
    [{ name: 'api' }, { routeName: 'api' }, true],
    [{ name: 'api' }, { routeName: 'web' }, false],
    [{ action: 'ROUTE' }, {}, true],
    [{ action: 'REDIRECT' }, {}, false],
    [{ action: 'ANY' }, { action: 'REDIRECT' }, true],
  ] as const)('route match %j on %j: %s', (match, scope, applies) => {
    const patches = [insert('f'), route('r', { vhost: { name: 'bookinfo.com:80', route: match } })]
    expect(tags(resolve([{ patches }], [scope]))).toEqual(applies ? ['r'] : [])
  })

  test('EnvoyFilters add up; MERGE_AND_REPLACE_LIST starts the list again', () => {
    expect(
      tags(
        resolve([{ patches: [insert('f'), virtualHost('a')] }, { patches: [virtualHost('b')] }]),
      ),
    ).toEqual(['a', 'b'])
    const replaced = [
      insert('f'),
      virtualHost('a'),
      virtualHost('b', {}, 'MERGE_AND_REPLACE_LIST'),
      virtualHost('c'),
    ]
    expect(tags(resolve([{ patches: replaced }]))).toEqual(['b', 'c'])
    const routes = [
      insert('f'),
      virtualHost('v'),
      route('a'),
      route('b', {}, 'MERGE_AND_REPLACE_LIST'),
    ]
    expect(tags(resolve([{ patches: routes }]))).toEqual(['v', 'b'])
  })

  test('fields come in one spelling, filter names keep theirs', () => {
    const resolved = resolve([
      {
        patches: [
          insert('my_filter', 'INSERT_FIRST', null, {
            config: { some_field: { inner_field: 1 }, otherField: [{ a_b: 2 }] },
          }),
          {
            applyTo: 'VIRTUAL_HOST',
            patch: {
              operation: 'MERGE',
              value: {
                typed_per_filter_config: {
                  my_filter: { '@type': 'type.googleapis.com/test.PerRoute', snake_case: 1 },
                },
              },
            },
          },
        ],
      },
    ])
    const settings = settingsOf(resolved)
    expect(settings.listener.value).toEqual({
      someField: { innerField: 1 },
      otherField: [{ aB: 2 }],
    })
    expect(settings.virtualHost[0]?.value).toEqual({
      typedPerFilterConfig: { my_filter: { '@type': 'test.PerRoute', snakeCase: 1 } },
    })
    expect(settings).toMatchObject({ filterName: 'my_filter', virtualHostName: 'bookinfo.com:80' })
    expect(resolved.problems).toEqual([])
  })
})

describe('findings', () => {
  const cases: readonly (readonly [string, object, string, RegExp, RegExp | null])[] = [
    [
      'the same host on another port',
      virtualHost('v', { vhost: { name: 'bookinfo.com:8080' } }),
      'envoy-filter-unmatched',
      /no virtual host "bookinfo.com:8080"/,
      /Did you mean "bookinfo.com:80"\? .*Gateway server port/,
    ],
    [
      'a host that is nearly right',
      virtualHost('v', { vhost: { name: 'bokinfo.com:80' } }),
      'envoy-filter-unmatched',
      /bokinfo/,
      /"bookinfo.com:80"/,
    ],
    [
      'a host that is nowhere near',
      virtualHost('v', { vhost: { name: 'shop.example.org:443' } }),
      'envoy-filter-unmatched',
      /shop/,
      /There is: bookinfo.com:80/,
    ],
    [
      'a route name',
      route('r', { vhost: { route: { name: 'apy' } } }),
      'envoy-filter-unmatched',
      /no route "apy"/,
      /"api"/,
    ],
    [
      'a port',
      virtualHost('v', { portNumber: 9999 }),
      'envoy-filter-unmatched',
      /no port 9999/,
      /80/,
    ],
    [
      'a condition this gateway cannot check',
      insert('g', 'INSERT_FIRST', null, { match: { listener: { filterChain: { sni: 'a.com' } } } }),
      'envoy-filter-not-supported',
      /filterChain\.sni/,
      /portNumber/,
    ],
    [
      'another filter',
      insert('lua', 'INSERT_FIRST', null, { type: 'envoy.extensions.filters.http.lua.v3.Lua' }),
      'envoy-filter-not-supported',
      /lua\.v3\.Lua is not supported/,
      /VirtualService headers/,
    ],
    [
      'another target',
      { applyTo: 'LISTENER', patch: { operation: 'MERGE', value: {} } },
      'envoy-filter-not-supported',
      /LISTENER patches/,
      /Gateway servers/,
    ],
    [
      'a cluster nobody names',
      { applyTo: 'CLUSTER', patch: { operation: 'ADD', value: { name: 'x' } } },
      'envoy-filter-not-supported',
      /cluster "x"/,
      /ServiceEntry/,
    ],
    [
      'an operation on routes',
      { applyTo: 'HTTP_ROUTE', patch: { operation: 'REMOVE' } },
      'envoy-filter-not-supported',
      /REMOVE/,
      /VirtualService/,
    ],
    [
      'a field of a virtual host',
      {
        applyTo: 'VIRTUAL_HOST',
        patch: { operation: 'MERGE', value: { request_headers_to_add: [] } },
      },
      'envoy-filter-not-supported',
      /requestHeadersToAdd/,
      /headers\.request/,
    ],
    [
      'a field of a route',
      { applyTo: 'HTTP_ROUTE', patch: { operation: 'MERGE', value: { route: { timeout: '1s' } } } },
      'envoy-filter-not-supported',
      /route\.timeout/,
      /http\[\]\.timeout/,
    ],
    [
      'a per-filter name nobody has',
      {
        applyTo: 'VIRTUAL_HOST',
        patch: { operation: 'MERGE', value: { typed_per_filter_config: { other: {} } } },
      },
      'envoy-filter-unmatched',
      /"other"/,
      null,
    ],
  ]

  test.each(cases)('%s', (_name, patch, code, message, hint) => {
    const { filters, problems } = resolve(
      [{ patches: [insert('f'), patch] }],
      [{}, { routeName: 'api' }],
    )
    expect(filters.map(names)).toEqual([['f'], ['f']])
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatchObject({
      code,
      severity: 'warning',
      ref: { kind: 'EnvoyFilter', name: 'filter-0', namespace: 'istio-system' },
      message: expect.stringMatching(message),
      file: 'test.yaml',
    })
    expect(problems[0]?.line).toBeGreaterThan(1)
    if (hint !== null) expect(problems[0]?.hint).toMatch(hint)
  })

  test('descriptors without a filter to read them', () => {
    const { problems } = resolve([{ patches: [virtualHost('v')] }])
    expect(problems).toMatchObject([
      {
        code: 'envoy-filter-unmatched',
        message: expect.stringContaining('no HTTP filter that reads it'),
      },
    ])
  })

  test('a cluster that a filter of ours names is no finding', () => {
    const cluster = {
      applyTo: 'CLUSTER',
      match: { context: 'GATEWAY' },
      patch: { operation: 'ADD', value: { name: 'rate_limit_cluster' } },
    }
    const filter = insert('f', 'INSERT_BEFORE', ROUTER, {
      config: {
        rate_limit_service: {
          grpc_service: { envoy_grpc: { cluster_name: 'rate_limit_cluster' } },
        },
      },
    })
    expect(resolve([{ patches: [cluster, filter] }]).problems).toEqual([])
  })

  test('patches for sidecars are mentioned, not complained about', () => {
    const patch = insert('s', 'INSERT_FIRST', null, { match: { context: 'SIDECAR_OUTBOUND' } })
    expect(resolve([{ patches: [patch] }]).problems).toMatchObject([{ severity: 'info' }])
  })

  test('what a factory reports is said once, with the place of the setting', () => {
    const complaining: FilterFactory = {
      name: 'complaining',
      typeUrls: ['test.Type'],
      compile: (settings, context) => {
        context.report({
          code: 'some-code',
          severity: 'error',
          origin: settings.listener.origin,
          message: 'no',
          hint: null,
        })
        return null
      },
    }
    const { problems, filters } = resolve([{ patches: [insert('f')] }], [{}, {}], {
      factories: [complaining],
    })
    expect(filters).toEqual([[], []])
    expect(problems).toMatchObject([
      {
        code: 'some-code',
        path: ['spec', 'configPatches', 0, 'patch', 'value', 'typed_config'],
        file: 'test.yaml',
        line: expect.any(Number),
      },
    ])
  })
})
