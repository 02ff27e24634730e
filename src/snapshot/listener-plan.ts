import type { ClusterPlan } from '../clusters/plan.ts'
import type { Authenticator } from '../filters/authenticator.ts'
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
  | {
      readonly type: 'http'
      readonly http: HttpServerPlan
      /** A server of protocol GRPC-WEB is among them: gRPC-Web requests are translated to gRPC. */
      readonly grpcWeb: boolean
    }
  | { readonly type: 'tls'; readonly chains: TlsChainTable }
  | { readonly type: 'tcp'; readonly tcp: TcpServerPlan }

/** A route table: what Istio calls `http.8080` or `https.443.https.gw.ns`. */
export interface HttpServerPlan {
  readonly name: string
  readonly hosts: HostTable<VirtualHost>
  /** `namespace/name` of the Gateways pooled here. */
  readonly gateways: readonly string[]
  /** Who clients are, before a virtual host is looked up; null: no RequestAuthentication applies. */
  readonly authenticator: Authenticator | null
}

/** Server chains by SNI: exact, longest wildcard, unrestricted. */
export interface TlsChainTable {
  readonly bySni: HostTable<TlsChainPlan>
  readonly all: readonly TlsChainPlan[]
}

/** Gateway server tls.mode. */
export type TlsMode =
  'PASSTHROUGH' | 'SIMPLE' | 'MUTUAL' | 'AUTO_PASSTHROUGH' | 'ISTIO_MUTUAL' | 'OPTIONAL_MUTUAL'

/** One Gateway server on a TLS port, or the part of one that a tls rule of a VirtualService takes. */
export class TlsChainPlan {
  /** Unique per listener; the route table's name where HTTP is served. */
  readonly name: string
  /** `namespace/name` of the Gateway. */
  readonly gateway: string
  /** Server names it takes. */
  readonly hosts: readonly string[]
  readonly mode: TlsMode
  /** Without certificates where TLS passes through. */
  readonly tls: ServerTlsPlan
  /** Without hosts where no HTTP is spoken. */
  readonly http: HttpServerPlan
  /** Where bytes go: as they came (passesThrough), or out of TLS (protocol TLS). null: HTTP, or no route. */
  readonly tcp: TcpServerPlan | null
  /** Bytes go on as they came, TLS and all. */
  readonly passesThrough: boolean
  /** Opaque bytes inside TLS that ends here (protocol TLS). */
  readonly opaque: boolean

  constructor(init: {
    name: string
    gateway: string
    hosts: readonly string[]
    mode?: TlsMode
    tls: ServerTlsPlan
    http: HttpServerPlan
    tcp?: TcpServerPlan | null
    opaque?: boolean
  }) {
    this.name = init.name
    this.gateway = init.gateway
    this.hosts = init.hosts
    this.mode = init.mode ?? 'SIMPLE'
    this.tls = init.tls
    this.http = init.http
    this.tcp = init.tcp ?? null
    this.passesThrough = this.mode === 'PASSTHROUGH' || this.mode === 'AUTO_PASSTHROUGH'
    this.opaque = init.opaque ?? false
  }
}

/** Where the bytes of a connection go: weights per connection. */
export interface TcpServerPlan {
  readonly name: string
  readonly destinations: readonly TcpDestination[]
  readonly cumulativeWeights: readonly number[]
}

export interface TcpDestination {
  readonly clusterName: string
  readonly cluster: ClusterPlan | null
  /** The TLS server name decides the host, on this port (ServiceEntry resolution DYNAMIC_DNS). */
  readonly dynamicPort?: number
}
