import type { ServerResponse } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import {
  OUTLIER,
  TestContext,
  clusterPlan,
  endpointPlan,
} from '../../test/support/cluster-plans.ts'
import { startDnsServer } from '../../test/support/dns-server.ts'
import { UpstreamCall, upstreamRequest } from '../../test/support/upstream-call.ts'
import { startUpstream } from '../../test/support/upstream.ts'
import { waitFor } from '../../test/support/wait.ts'
import { Resolver } from '../upstream/resolver.ts'
import type { Cluster } from './cluster.ts'
import { ClusterRegistry } from './registry.ts'

const resolver = new Resolver({ servers: [] })
const registries: ClusterRegistry[] = []

afterEach(async () => {
  for (const registry of registries.splice(0)) await registry.close()
})

function open(over: Resolver = resolver): ClusterRegistry {
  const registry = new ClusterRegistry({ resolver: over, log: () => {} })
  registries.push(registry)
  return registry
}

function send(cluster: Cluster | null): UpstreamCall {
  return new UpstreamCall((handler) =>
    cluster!.startRequest(upstreamRequest(), handler, new TestContext()),
  )
}

test('connections, counters and ejections survive a new configuration', async () => {
  await using upstream = await startUpstream('ok')
  const registry = open()
  const outlier = { ...OUTLIER, consecutive5xx: 1, maxEjectionPercent: 50 }
  const endpoints = [endpointPlan('127.0.0.1', upstream.port), endpointPlan('10.0.0.1', 80)]
  const first = clusterPlan({ endpoints, outlier })
  registry.install([first])
  await send(first.runtime).done
  first.runtime!.endpoints[1]!.onAttemptStatus(500)
  const second = clusterPlan({ endpoints: [...endpoints].reverse(), outlier })
  registry.install([second])
  expect(second.runtime).toBe(first.runtime)
  expect(await send(second.runtime).done).toMatchObject({ status: 200, reused: true })
  expect(registry.describe()).toMatchObject([
    {
      name: 'outbound|80||web',
      counters: { cx_total: 1, rq_total: 2, ejections_active: 1 },
      endpoints: [{ address: '10.0.0.1:80', health: 'ejected' }, { health: 'healthy' }],
    },
  ])
})

test('a cluster that is no longer named ends with its last exchange', async () => {
  const held: ServerResponse[] = []
  await using upstream = await startUpstream((_request, response) => {
    held.push(response)
  })
  const registry = open()
  const plan = clusterPlan({ endpoints: [endpointPlan('127.0.0.1', upstream.port)] })
  registry.install([plan])
  const running = send(plan.runtime)
  await waitFor('the request', () => held.length === 1)
  registry.install([])
  expect(registry.get(plan.name)).toBeNull()
  expect(registry.describe()).toMatchObject([{ retired: true, counters: { rq_active: 1 } }])
  // An exchange of the old generation may still start an attempt.
  const late = send(plan.runtime)
  await waitFor('the late request', () => held.length === 2)
  for (const response of held) response.end('done')
  expect((await running.done).body).toBe('done')
  expect((await late.done).body).toBe('done')
  await waitFor('its end', () => registry.describe().length === 0)
  expect(plan.runtime!.counters.cxActive).toBe(0)
})

test('a cluster that is named again before it ended goes on as it was', async () => {
  await using upstream = await startUpstream('ok')
  const registry = open()
  const plan = clusterPlan({ endpoints: [endpointPlan('127.0.0.1', upstream.port)] })
  registry.install([plan])
  await send(plan.runtime).done
  registry.install([])
  const again = clusterPlan({ endpoints: [endpointPlan('127.0.0.1', upstream.port)] })
  registry.install([again])
  expect(again.runtime).toBe(plan.runtime)
  await send(again.runtime).done
  expect(await send(again.runtime).done).toMatchObject({ reused: true })
  expect(registry.describe()).toMatchObject([{ retired: false, counters: { rq_total: 3 } }])
})

test('firstLookups waits for every DNS name, answered or failed', async () => {
  await using dns = await startDnsServer({ 'a.test': { a: ['10.0.0.1'] } })
  const own = new Resolver({ servers: [dns.address] })
  const registry = open(own)
  const plans = ['a.test', 'b.test'].map((name) =>
    clusterPlan({ name, discovery: 'dns', endpoints: [endpointPlan(name, 80)] }),
  )
  registry.install(plans)
  await registry.firstLookups()
  expect(registry.get('a.test')!.endpoints).toHaveLength(1)
  expect(registry.get('b.test')!.describe().dnsFailures).toHaveLength(1)
  await registry.close()
  own.close()
})
