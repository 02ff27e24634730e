import { Findings } from '../../src/compile/findings.ts'
import { meshSettings } from '../../src/compile/mesh-settings.ts'
import type { Filter } from '../../src/filters/filter.ts'
import type { DownstreamConnection } from '../../src/http/exchange.ts'
import { handleEgress } from '../../src/proxy/egress.ts'
import type { ExchangeRecord } from '../../src/proxy/exchange-record.ts'
import { handleHttp } from '../../src/proxy/http.ts'
import { ProxyRuntime } from '../../src/proxy/runtime.ts'
import type { HeaderMutation } from '../../src/routing/header-mutation.ts'
import { HostTable } from '../../src/routing/host-table.ts'
import type { MirrorPlan } from '../../src/routing/mirror-plan.ts'
import { Destination, type RetryPlan, Route, type RouteAction } from '../../src/routing/route.ts'
import { VirtualHost } from '../../src/routing/virtual-host.ts'
import type { EgressPlan } from '../../src/snapshot/egress-plan.ts'
import type { MeshSettings } from '../../src/snapshot/mesh-settings.ts'
import { DownstreamDouble, ScriptedCluster, ScriptedPassthrough } from './exchange-double.ts'
import { plainConnection } from './exchange-records.ts'
import { requestOf, type RequestSketch } from './requests.ts'

const DEFAULTS = meshSettings(null, false, new Findings())

/** The defaults, without access log. */
export const MESH: MeshSettings = {
  ...DEFAULTS,
  accessLog: { ...DEFAULTS.accessLog, enabled: false },
  drainDurationMs: 1000,
}

export function routeOf(
  action: RouteAction,
  init: {
    readonly filters?: readonly Filter[]
    readonly requestHeaders?: HeaderMutation | null
    readonly responseHeaders?: HeaderMutation | null
  } = {},
): Route {
  return new Route({
    name: 'main',
    origin: {
      kind: 'VirtualService',
      namespace: 'shop',
      name: 'main',
      path: 'spec.http[0]',
      file: null,
      line: null,
    },
    match: null,
    action,
    requestHeaders: init.requestHeaders ?? null,
    responseHeaders: init.responseHeaders ?? null,
    filters: init.filters ?? [],
  })
}

export function forwardTo(
  cluster: ScriptedCluster | null,
  init: {
    readonly retry?: RetryPlan | null
    readonly timeoutMs?: number
    readonly destinationResponse?: HeaderMutation | null
    readonly mirrors?: readonly MirrorPlan[]
  } = {},
): RouteAction {
  const plan = cluster === null ? null : cluster.plan
  const name = plan === null ? 'outbound|80||nobody' : plan.name
  return {
    type: 'forward',
    destinations: [new Destination(name, plan, 0, null, init.destinationResponse ?? null)],
    cumulativeWeights: [0],
    sticky: null,
    preferences: null,
    rewrite: null,
    rewriteAuthority: null,
    timeoutMs: init.timeoutMs ?? 0,
    retry: init.retry ?? null,
    mirrors: init.mirrors ?? null,
  }
}

export function retryOn(conditions: string, init: Partial<RetryPlan> = {}): RetryPlan {
  return {
    attempts: 2,
    perTryTimeoutMs: 0,
    on: new Set(conditions.split(',')),
    statuses: new Set<number>(),
    grpcStatuses: new Set<string>(),
    backoffMs: 25,
    anyMethod: false,
    avoidsTried: true,
    remoteLocalities: false,
    isDefault: false,
    ...init,
  }
}

export const NO_EGRESS: EgressPlan = {
  policy: 'REGISTRY_ONLY',
  http: new Map(),
  tunnels: new Map(),
  tunnelRules: new Map(),
  addresses: [],
  serverNames: new Map(),
  parent: null,
  unknownHost: new VirtualHost('block_all', [routeOf({ type: 'black-hole' })], false),
  control: null,
}

/** What is kept of a record: the record itself is valid only while it is reported. */
export type KeptRecord = Pick<
  ExchangeRecord,
  | 'status'
  | 'flags'
  | 'details'
  | 'grpcStatus'
  | 'clusterName'
  | 'routeName'
  | 'upstreamHost'
  | 'clientAddress'
  | 'bytesReceived'
  | 'bytesSent'
>

/** The proxy over doubles of both wires: one cluster, two passthrough clusters, every record kept. */
export class ProxyBench implements Disposable {
  readonly cluster = new ScriptedCluster('outbound|80||web')
  readonly passthrough = new ScriptedPassthrough()
  readonly declaredPassthrough = new ScriptedPassthrough()
  readonly records: KeptRecord[] = []
  readonly runtime: ProxyRuntime
  random = 0

  constructor(init: { mesh?: Partial<MeshSettings>; egress?: EgressPlan } = {}) {
    this.runtime = new ProxyRuntime({
      snapshot: {
        generation: 1,
        listeners: [],
        egress: init.egress ?? NO_EGRESS,
        clusters: [],
        mesh: { ...MESH, ...init.mesh },
      },
      passthrough: this.passthrough,
      declaredPassthrough: this.declaredPassthrough,
      observer: { onExchangeEnd: (record) => this.records.push(keep(record)) },
      random: () => this.random,
    })
  }

  /** A request that arrives on a Gateway server with this one route. */
  ingress(
    route: Route,
    sketch: RequestSketch = {},
    connection: DownstreamConnection = plainConnection,
  ): DownstreamDouble {
    const downstream = new DownstreamDouble(requestOf(sketch), connection)
    const hosts = new HostTable([['*', new VirtualHost('any:80', [route], false)]])
    const server = { name: 'http.80', hosts, gateways: [], authenticator: null }
    handleHttp(this.runtime, downstream, server, 80, null, null)
    return downstream
  }

  /** A request that arrives at the egress proxy. */
  egress(sketch: RequestSketch): DownstreamDouble {
    const downstream = new DownstreamDouble(requestOf(sketch))
    handleEgress(this.runtime, downstream)
    return downstream
  }

  [Symbol.dispose](): void {
    this.cluster.close()
    this.passthrough.close()
    this.declaredPassthrough.close()
  }
}

function keep(record: ExchangeRecord): KeptRecord {
  const { status, flags, details, grpcStatus, clusterName, routeName } = record
  const { upstreamHost, clientAddress, bytesReceived, bytesSent } = record
  return {
    status,
    flags,
    details,
    grpcStatus,
    clusterName,
    routeName,
    upstreamHost,
    clientAddress,
    bytesReceived,
    bytesSent,
  }
}
