import type { PickContext } from '../../src/clusters/pick.ts'
import {
  ClusterPlan,
  type ConnectionLimits,
  type EndpointPlan,
  type OutlierPlan,
} from '../../src/clusters/plan.ts'

export function endpointPlan(
  address: string,
  port: number,
  init: Partial<EndpointPlan> = {},
): EndpointPlan {
  return { address, port, weight: 1, labels: {}, locality: '', ...init }
}

export const NO_LIMITS: ConnectionLimits = {
  maxConnections: 0,
  maxPendingRequests: 0,
  maxRequests: 0,
  maxRequestsPerConnection: 0,
  connectTimeoutMs: 5_000,
  idleTimeoutMs: 3_600_000,
  tcpIdleTimeoutMs: 3_600_000,
  tcpKeepaliveMs: 0,
  bufferBytes: 65_536,
}

/** Istio's defaults for a block that is present, but every endpoint may be ejected. */
export const OUTLIER: OutlierPlan = {
  consecutive5xx: 5,
  consecutiveGatewayErrors: 0,
  splitLocalOrigin: false,
  consecutiveLocalOriginFailures: 5,
  intervalMs: 10_000,
  baseEjectionTimeMs: 30_000,
  maxEjectionPercent: 100,
  minHealthPercent: 0,
  alwaysEjectOne: true,
}

type PlanInit = Partial<Omit<ConstructorParameters<typeof ClusterPlan>[0], 'limits'>> & {
  readonly limits?: Partial<ConnectionLimits>
}

/** A static round-robin cluster `outbound|80||web` without limits, unless told otherwise. */
export function clusterPlan(init: PlanInit = {}): ClusterPlan {
  return new ClusterPlan({
    name: 'outbound|80||web',
    destination: { service: 'web', serviceName: 'web', serviceNamespace: 'default' },
    protocol: 'http1',
    discovery: 'static',
    endpoints: [],
    loadBalancer: { policy: 'round-robin' },
    outlier: null,
    tls: null,
    ...init,
    limits: { ...NO_LIMITS, ...init.limits },
  })
}

/** A pick context whose keys are given; remembers the cookies that were set. */
export class TestContext implements PickContext {
  clientAddress = '192.0.2.1'
  tried: readonly string[] | null = null
  readonly headers: Record<string, string> = {}
  readonly cookies: Record<string, string> = {}
  readonly queries: Record<string, string> = {}
  readonly setCookies: string[] = []

  constructor(
    init: Partial<
      Pick<TestContext, 'clientAddress' | 'tried' | 'headers' | 'cookies' | 'queries'>
    > = {},
  ) {
    Object.assign(this, init)
  }

  hashHeader(name: string): string | null {
    return this.headers[name] ?? null
  }

  hashQuery(name: string): string | null {
    return this.queries[name] ?? null
  }

  hashCookie(name: string): string | null {
    return this.cookies[name] ?? null
  }

  setCookie(value: string): void {
    this.setCookies.push(value)
  }
}
