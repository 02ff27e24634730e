import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { CorsFactory } from '../../plugins/cors/index.ts'
import { FaultFactory } from '../../plugins/fault/index.ts'
import type { Filter, FilterFactory } from '../../src/filters/filter.ts'
import type { Route } from '../../src/routing/route.ts'
import { RecordedExchange } from '../support/filter-exchange.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { Simulation } from '../support/simulate.ts'

const MESH = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: x }
spec: { hosts: [x.com], ports: [{ number: 80, name: http, protocol: HTTP }], resolution: STATIC, endpoints: [{ address: 10.0.0.1 }] }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec: { servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
`
const ROUTE = 'route: [{ destination: { host: x.com } }]'
const ABORT = 'fault: { abort: { httpStatus: 503, percentage: { value: 100 } } }'
const CORS = 'corsPolicy: { allowOrigins: [{ exact: https://a.com }] }'

/** Stands for a rate limit filter: what matters is where it is inserted. */
const limiter: FilterFactory = {
  name: 'limit',
  typeUrls: ['test.Limit'],
  compile: (): Filter => ({ name: 'limit', onRequest: () => 0 }),
}

function simulate(rules: string, more = ''): Simulation {
  const service = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: v }
spec: { hosts: [a.com], gateways: [gw, mesh], http: [${rules}] }
---
`
  const filterFactories = [limiter, new CorsFactory(), new FaultFactory()]
  return new Simulation(MESH + service + more, { filterFactories })
}

function routesOf(run: Simulation): readonly Route[] {
  const accept = run.listener(80)?.accept
  return accept?.type === 'http' ? (accept.http.hosts.find('a.com')?.routes ?? []) : []
}

function names(route: Route | undefined): readonly string[] | undefined {
  return route?.filters.map(({ name }) => name)
}

function limit(operation: string, anchor: string): string {
  return `apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: limit, namespace: istio-system }
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    match: { context: GATEWAY, listener: { filterChain: { filter: { name: envoy.filters.network.http_connection_manager${anchor} } } } }
    patch:
      operation: ${operation}
      value: { name: limit, typed_config: { "@type": type.googleapis.com/test.Limit } }
`
}

const before = (name: string): string => `, subFilter: { name: envoy.filters.http.${name} }`

describe('filters of a rule', () => {
  test.each([
    ['nothing asked for', ROUTE, []],
    ['a fault', `${ABORT}, ${ROUTE}`, ['fault']],
    ['a CORS policy', `${CORS}, ${ROUTE}`, ['cors']],
    [
      'fault comes first, whatever is written first',
      `${CORS}, ${ABORT}, ${ROUTE}`,
      ['fault', 'cors'],
    ],
    ['a fault that hits no request', `fault: { abort: { httpStatus: 503 } }, ${ROUTE}`, []],
    ['a CORS policy on a redirect', `${CORS}, redirect: { uri: /b }`, []],
    ['a CORS policy on a direct response', `${CORS}, directResponse: { status: 200 }`, []],
  ])('%s', (_name, rule, expected) => {
    expect(names(routesOf(simulate(`{ ${rule} }`))[0])).toEqual(expected)
  })

  test('stand on every match of their rule and on no other rule', () => {
    const run = simulate(
      `{ match: [{ uri: { prefix: /a } }, { uri: { prefix: /b } }], ${ABORT}, ${ROUTE} }, { ${ROUTE} }`,
    )
    expect(routesOf(run).map(names)).toEqual([['fault'], ['fault'], []])
  })

  test('of a VirtualService of the mesh stand on egress routes', () => {
    const run = simulate(`{ ${ABORT}, ${CORS}, ${ROUTE} }`)
    const host = run.snapshot.egress.http.get(80)?.find('a.com')
    expect(names(host?.routes[0])).toEqual(['fault', 'cors'])
  })

  test.each([
    [
      'in front of the router: behind both',
      limit('INSERT_BEFORE', before('router')),
      ['fault', 'cors', 'limit'],
    ],
    [
      'in front of CORS: between',
      limit('INSERT_BEFORE', before('cors')),
      ['fault', 'limit', 'cors'],
    ],
    ['first of all', limit('INSERT_FIRST', ''), ['limit', 'fault', 'cors']],
  ])('and a filter inserted %s', (_name, patch, expected) => {
    expect(names(routesOf(simulate(`{ ${ABORT}, ${CORS}, ${ROUTE} }`, patch))[0])).toEqual(expected)
  })

  test('are not settings that EnvoyFilters can change', () => {
    const patch = `apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: none, namespace: istio-system }
spec:
  configPatches:
  - applyTo: HTTP_ROUTE
    match: { context: GATEWAY }
    patch:
      operation: MERGE
      value: { typed_per_filter_config: { envoy.filters.http.fault: { "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault } } }
---
`
    const run = simulate(`{ ${ABORT}, ${ROUTE} }`, patch + limit('INSERT_FIRST', ''))
    const [found] = run.found('envoy-filter-unmatched')
    expect(found?.message).toContain('envoy.filters.http.fault')
    expect(names(routesOf(run)[0])).toEqual(['limit', 'fault'])
  })
})

test('a fault answers in the place of CORS: its answer has no CORS headers', async () => {
  const [route] = routesOf(simulate(`{ ${ABORT}, ${CORS}, ${ROUTE} }`))
  const exchange = new RecordedExchange({ headers: ['origin', 'https://a.com'] })
  const outcome = await exchange.run(route!.filters[0]!)
  expect(outcome).toMatchObject({ status: 503, flag: 'FI' })
  expect(exchange.editors).toEqual([])
})

describe('a preflight', () => {
  const target = { port: 80, host: 'a.com', method: 'OPTIONS' }

  test('needs a rule that takes OPTIONS: a method condition keeps it out', () => {
    const run = simulate(`{ match: [{ method: { exact: POST } }], ${CORS}, ${ROUTE} }`)
    expect(run.resolve(target).to).toBe('404 NR')
    expect(run.resolve({ ...target, method: 'POST' }).to).toContain('x.com')
  })

  test('is a matter of the rule that takes it, not of the one that takes the request', () => {
    const run = simulate(
      `{ name: post, match: [{ method: { exact: POST } }], ${CORS}, ${ROUTE} }, { name: rest, ${ROUTE} }`,
    )
    expect(run.resolve(target).route).toBe('rest')
    expect(routesOf(run).map(names)).toEqual([['cors'], []])
  })
})

test('a broken origin regex is refused with its place, and the rule is not served without it', () => {
  const run = simulate(`{ corsPolicy: { allowOrigins: [{ regex: "(" }] }, ${ROUTE} }`)
  expect(run.storeProblems.find(({ code }) => code === 'invalid-regex')?.path).toEqual([
    'spec',
    'http',
    0,
    'corsPolicy',
    'allowOrigins',
    0,
    'regex',
  ])
  expect(routesOf(run)).toEqual([])
})

test('both fields are served without a finding', () => {
  const { storeProblems, problems } = simulate(`{ ${ABORT}, ${CORS}, ${ROUTE} }`)
  expect([...storeProblems, ...problems].filter(({ severity }) => severity !== 'info')).toEqual([])
})

describe("Istio's fault injection task", () => {
  const yaml = readFileSync(
    join(import.meta.dirname, '../fixtures/fault-injection/ratings.yaml'),
    'utf8',
  )
  const run = new Simulation(yaml, { filterFactories: [new FaultFactory()] })

  function routes(host: string): readonly Route[] {
    const accept = run.listener(80)?.accept
    return accept?.type === 'http' ? (accept.http.hosts.find(host)?.routes ?? []) : []
  }

  test.each([
    ['delay.ratings.test', { delay: { delayMs: 7000, percent: 100 }, abort: null }],
    [
      'abort.ratings.test',
      { delay: null, abort: { httpStatus: 500, grpcStatus: null, percent: 100 } },
    ],
  ])('%s: the rule for jason has the fault, the other has none', (host, fault) => {
    const settings = routes(host).map(({ filters }) => filters.map((one) => one.describe?.()))
    expect(settings).toEqual([[fault], []])
  })
})

test('a fault of 30 % aborts and 30 % delays, over a thousand requests', async () => {
  const yaml = readFileSync(
    join(import.meta.dirname, '../fixtures/seeds/documents/foo-default.yaml'),
    'utf8',
  )
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const faults = new FaultFactory(seededRandom(18))
  const run = new Simulation(yaml, { filterFactories: [faults] })
  const host = run.snapshot.egress.http.get(8080)?.find('foo.default.svc.cluster.local')
  const [filter] = host!.routes[0]!.filters
  const exchanges = Array.from({ length: 1000 }, () => new RecordedExchange())
  const runs = exchanges.map((exchange) => exchange.run(filter!))
  vi.advanceTimersByTime(1000)
  const outcomes = await Promise.all(runs)
  const aborted = outcomes.filter(({ status }) => status === 400).length
  const both = outcomes.filter(({ status, synchronous }) => status === 400 && !synchronous).length
  expect(Math.abs(aborted - 300)).toBeLessThanOrEqual(45)
  expect(Math.abs(faults.stats.delaysInjected - 300)).toBeLessThanOrEqual(45)
  expect(Math.abs(both - 90)).toBeLessThanOrEqual(30)
})

describe('a delegated rule', () => {
  function delegated(ownRule: string): Simulation {
    const delegate = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: d }
spec: { http: [{ ${ownRule} ${ROUTE} }] }
---
`
    return simulate(`{ ${ABORT}, ${CORS}, delegate: { name: d } }`, delegate)
  }

  function faultOf(run: Simulation): unknown {
    return routesOf(run)[0]
      ?.filters.find(({ name }) => name === 'fault')
      ?.describe?.()
  }

  test("has the root's fault and CORS policy", () => {
    expect(names(routesOf(delegated(''))[0])).toEqual(['fault', 'cors'])
  })

  test('with a fault of its own has that one, whole', () => {
    const own = 'fault: { delay: { fixedDelay: 1s, percentage: { value: 5 } } },'
    expect(faultOf(delegated(own))).toEqual({ delay: { delayMs: 1000, percent: 5 }, abort: null })
  })
})
