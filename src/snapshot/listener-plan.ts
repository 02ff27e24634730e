import type { ClusterPlan } from '../clusters/plan.ts'
import type { HostTable } from '../routing/host-table.ts'
import type { VirtualHost } from '../routing/virtual-host.ts'
import type { ServerTlsPlan } from '../tls/plan.ts'

/** One socket to listen on and everything that accepts there. */
export interface ListenerPlan {
  /** `<bind or *>:<targetPort>`: identity across generations. */
  readonly key: string
  /** The Gateway server port numbers that ended here (80 and 8080 may both become 8080). */
  readonly gatewayPorts: readonly number[]
  /** Where Istio would listen: the Service's targetPort, or the Gateway port itself. `--listen` may move it. */
  readonly targetPort: number
  /** IP literal from server.bind, or null for the wildcard address. */
  readonly bind: string | null
  readonly accept: AcceptPlan
}

export type AcceptPlan =
  | { readonly type: 'http'; readonly http: HttpServerPlan }
  | { readonly type: 'tls'; readonly chains: TlsChainTable }
  | { readonly type: 'tcp'; readonly tcp: TcpServerPlan }

/** A route table: what Istio calls `http.8080` or `https.443.https.gw.ns`. */
export interface HttpServerPlan {
  readonly name: string
  readonly hosts: HostTable<VirtualHost>
  /** `namespace/name` of the Gateways pooled here. */
  readonly gateways: readonly string[]
}

/** Server chains by SNI: exact, longest wildcard, unrestricted. */
export interface TlsChainTable {
  readonly bySni: HostTable<TlsChainPlan>
  readonly all: readonly TlsChainPlan[]
}

/** One Gateway server with TLS mode SIMPLE. */
export class TlsChainPlan {
  /** Route table name; unique per listener. */
  readonly name: string
  /** `namespace/name` of the Gateway. */
  readonly gateway: string
  readonly hosts: readonly string[]
  readonly tls: ServerTlsPlan
  readonly http: HttpServerPlan

  constructor(init: {
    name: string
    gateway: string
    hosts: readonly string[]
    tls: ServerTlsPlan
    http: HttpServerPlan
  }) {
    this.name = init.name
    this.gateway = init.gateway
    this.hosts = init.hosts
    this.tls = init.tls
    this.http = init.http
  }
}

/** A plain TCP server: weights per connection. */
export interface TcpServerPlan {
  readonly name: string
  readonly destinations: readonly TcpDestination[]
  readonly cumulativeWeights: readonly number[]
}

export interface TcpDestination {
  readonly clusterName: string
  readonly cluster: ClusterPlan | null
}
