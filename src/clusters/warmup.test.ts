import { afterEach, describe, expect, test } from 'vitest'
import { clusterPlan, endpointPlan, TestContext } from '../../test/support/cluster-plans.ts'
import { seededRandom } from '../../test/support/seeded-random.ts'
import { UpstreamContexts } from '../tls/upstream-context.ts'
import { Resolver } from '../upstream/resolver.ts'
import { Cluster } from './cluster.ts'
import type { LoadBalancerPlan, WarmupPlan } from './plan.ts'
import { warmupFactor } from './warmup.ts'

const WARMUP: WarmupPlan = { durationMs: 60_000, minimumPercent: 10, aggression: 1 }

test.each<[string, Partial<WarmupPlan>, number, number]>([
  ['begins with the minimum', {}, 0, 0.1],
  ['stays there while time is below it', {}, 5_000, 0.1],
  ['grows with time', {}, 30_000, 0.5],
  ['is whole at the end', {}, 60_000, 1],
  ['and after', {}, 90_000, 1],
  ['aggression 2 grows as the square root', { aggression: 2 }, 15_000, 0.5],
  ['minimumPercent 0 begins near nothing', { minimumPercent: 0 }, 0, 1 / 60_000],
  ['minimumPercent 100 is warm at once', { minimumPercent: 100 }, 0, 1],
])('the weight of a new endpoint %s', (_what, plan, ageMs, expected) => {
  expect(warmupFactor({ ...WARMUP, ...plan }, ageMs)).toBeCloseTo(expected, 6)
})

const open: Cluster[] = []
afterEach(() => {
  for (const cluster of open.splice(0)) cluster.close()
})

/** A cluster of `before` endpoints that `joined` one more, under a clock that the test moves. */
class Bench {
  nowMs = 1_000
  readonly cluster: Cluster
  readonly #plan: LoadBalancerPlan

  constructor(plan: LoadBalancerPlan, before: number) {
    this.#plan = plan
    this.cluster = new Cluster(this.#planOf(before), {
      resolver: new Resolver({ servers: [] }),
      contexts: new UpstreamContexts(),
      log: () => {},
      now: () => this.nowMs,
      random: seededRandom(11),
    })
    open.push(this.cluster)
  }

  grow(count: number, plan = this.#plan): void {
    this.cluster.update(this.#planOf(count, plan))
  }

  /** Share of the endpoint that was added last over the next `picks`, time passing between them. */
  shareOfLast(picks: number, msBetween = 0): number {
    const last = this.cluster.endpoints.at(-1)
    let hits = 0
    for (let i = 0; i < picks; i++) {
      this.nowMs += msBetween
      if (this.cluster.pickEndpoint(new TestContext()) === last) hits++
    }
    return hits / picks
  }

  #planOf(count: number, loadBalancer = this.#plan) {
    const endpoints = Array.from({ length: count }, (_, i) => endpointPlan(`10.0.0.${i + 1}`, 80))
    return clusterPlan({ endpoints, loadBalancer })
  }
}

describe.each(['round-robin', 'least-request'] as const)('%s with warmup', (policy) => {
  const plan = { policy, warmup: WARMUP }

  test('an endpoint that joins gets the minimum, then more and more', () => {
    const bench = new Bench(plan, 1)
    bench.grow(2)
    expect(bench.shareOfLast(2_000)).toBeCloseTo(0.1 / 1.1, 1)
    bench.nowMs += 30_000
    expect(bench.shareOfLast(2_000)).toBeCloseTo(0.5 / 1.5, 1)
    bench.nowMs += 30_000
    expect(bench.shareOfLast(2_000)).toBeCloseTo(0.5, 1)
    expect(bench.cluster.endpoints.at(-1)!.warmingSinceMs).toBe(-1)
  })

  test('the endpoints a cluster begins with are warm', () => {
    expect(new Bench(plan, 2).shareOfLast(1_000)).toBeCloseTo(0.5, 1)
  })

  test('weights that change all the time starve nobody', () => {
    const bench = new Bench(plan, 3)
    bench.grow(4)
    // Six picks a second: fewer than a light endpoint waits for its turn.
    expect(bench.shareOfLast(30, 166)).toBeGreaterThan(0)
  })

  test('a configuration change does not begin it anew, one without warmup ends it', () => {
    const bench = new Bench(plan, 1)
    bench.grow(2)
    bench.nowMs += 30_000
    bench.grow(2)
    expect(bench.shareOfLast(2_000)).toBeCloseTo(0.5 / 1.5, 1)
    bench.grow(2, { policy })
    expect(bench.shareOfLast(2_000)).toBeCloseTo(0.5, 1)
  })
})
