/** A place in configuration: `VirtualService shop/web spec.http[0].match[1] (web.yaml:12)`. */
export interface Place {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  /** `spec.http[0].match[1]`, or '' for the whole resource. */
  readonly path: string
  readonly file: string | null
  /** 1-based. */
  readonly line: number | null
}

/** The request as the gateway sees it after normalisation. */
export interface ExplainedRequest {
  readonly method: string
  readonly scheme: 'http' | 'https'
  /** Host with port, as sent. */
  readonly authority: string
  /** After path normalisation, without query. '' for CONNECT. */
  readonly path: string
  /** With its `?`, or ''. */
  readonly query: string
  /** Path and query as the client sends them, where normalisation changed something; else null. */
  readonly sentTarget: string | null
  /** The trusted client address, without port. */
  readonly clientAddress: string
}

/** A Gateway server behind a listener. */
export interface ExplainedServer {
  readonly gateway: string
  readonly port: number
  readonly hosts: readonly string[]
  readonly place: Place | null
}

export interface ExplainedListener {
  /** `*:8080`, or `egress`. */
  readonly key: string
  readonly type: 'http' | 'tls' | 'tcp' | 'egress'
  readonly gatewayPorts: readonly number[]
  /** Bound sockets, when a running gateway was asked. */
  readonly addresses: readonly string[]
  /** Route table: `http.8080`; null before the server is chosen by its name, and for egress. */
  readonly routeTable: string | null
  readonly servers: readonly ExplainedServer[]
}

/** One server of a TLS listener that a connection may get by its server name. */
export interface ExplainedChain {
  readonly name: string
  readonly gateway: string
  readonly hosts: readonly string[]
  readonly chosen: boolean
  /** Why it was, or was not, chosen. */
  readonly reason: string
  readonly place: Place | null
}

export interface ExplainedTls {
  /** null: the client sends none. */
  readonly serverName: string | null
  readonly chains: readonly ExplainedChain[]
  /** Of the chosen chain: `kubernetes://istio-system/shop-cert`, or files. */
  readonly certificates: readonly string[]
  readonly minVersion: string | null
  readonly alpn: readonly string[]
  /** Of a running gateway: its last failed handshakes with this server name, newest first. */
  readonly failures: readonly ExplainedFailure[]
}

/** A TLS handshake that failed. */
export interface ExplainedFailure {
  /** ISO 8601. */
  readonly at: string
  /** Listener as bound; several addresses with spaces between. */
  readonly listener: string
  readonly serverName: string | null
  readonly remoteAddress: string
  /** `no-server-name-match`, `handshake-failed`, `client-certificate`, ... */
  readonly reason: string
  readonly detail: string
  /** What the client offered. */
  readonly alpn: readonly string[]
  /** The server chosen by the name, or null. */
  readonly chain: string | null
}

/** What RequestAuthentications make of the request's token. Its signature is not checked. */
export interface ExplainedAuthentication {
  readonly result: 'preflight' | 'anonymous' | 'valid' | 'refused'
  /** One line: why. */
  readonly text: string
}

export interface ExplainedVirtualHost {
  /** `shop.example.com:443` */
  readonly name: string
  /** The domain pattern that took the host. */
  readonly domain: string
  readonly match: 'exact' | 'wildcard' | 'any' | 'address'
  /** Egress: no resource declares the host, the outbound traffic policy decides. */
  readonly unknownHost: boolean
  /** VirtualServices (or Services and ServiceEntries) whose rules stand here. */
  readonly sources: readonly Place[]
}

/** One condition of a rule against the request. */
export interface ExplainedCondition {
  /** `path prefix /api` */
  readonly condition: string
  readonly holds: boolean
  /** Why it does not hold, or null. */
  readonly reason: string | null
}

export interface ExplainedRule {
  /** Position in the virtual host, from 1. */
  readonly position: number
  readonly verdict: 'matched' | 'rejected' | 'not-reached'
  /** It would have matched, had an earlier rule not won. */
  readonly wouldMatch: boolean
  readonly name: string
  readonly place: Place
  /** Empty: every request matches. */
  readonly conditions: readonly ExplainedCondition[]
}

/** A rule or VirtualService for this host that does not apply to this request, and why. */
export interface ElsewhereHint {
  readonly place: Place
  readonly reason: string
}

/** Names only: values that configuration sets may be credentials. */
export interface ExplainedHeaders {
  readonly remove: readonly string[]
  readonly set: readonly string[]
  readonly add: readonly string[]
}

export interface ExplainedEndpoint {
  /** `address:port` */
  readonly address: string
  readonly weight: number
  readonly locality: string
  /** Failover level, 0 first: later ones are asked when too few of the earlier are healthy. */
  readonly priority: number
  readonly health: 'healthy' | 'ejected' | 'unhealthy' | 'unknown'
  /** Ejected for how much longer, milliseconds; else 0. */
  readonly returnsInMs: number
}

export interface ExplainedCluster {
  readonly protocol: string
  readonly discovery: string
  readonly loadBalancer: string
  readonly subset: string | null
  /** `off`, or how the connection to endpoints is secured. */
  readonly tls: string
  readonly outlierDetection: boolean
  /** DestinationRule parts that apply: the subset, the traffic policy. */
  readonly destinationRules: readonly Place[]
  readonly endpoints: readonly ExplainedEndpoint[]
  /** Ejected endpoints get requests too: minHealthPercent is not reached. */
  readonly panic: boolean
  readonly dnsFailures: readonly string[]
}

export interface ExplainedDestination {
  /** `outbound|8080|v1|web.shop.svc.cluster.local` */
  readonly cluster: string
  readonly weight: number
  /** Share of requests, 0 to 100. */
  readonly percent: number
  /** null: there is no such cluster. */
  readonly details: ExplainedCluster | null
  readonly requestHeaders: ExplainedHeaders | null
  readonly responseHeaders: ExplainedHeaders | null
  /** Why it cannot take requests, with the answer it makes; null when it can. */
  readonly refusal: Refusal | null
}

export interface Refusal {
  readonly status: number
  /** Response flag, or ''. */
  readonly flag: string
  readonly reason: string
}

/** What the winning rule does. */
export interface ExplainedRoute {
  readonly name: string
  readonly place: Place
  readonly action: 'forward' | 'redirect' | 'direct-response' | 'passthrough' | 'black-hole'
  /** In order, each with what configuration tells it where it can say so. */
  readonly filters: readonly { readonly name: string; readonly settings: unknown }[]
  readonly requestHeaders: ExplainedHeaders | null
  readonly responseHeaders: ExplainedHeaders | null
  /** Path with query and Host as forwarded; null when nothing is forwarded. */
  readonly forwardedAs: { readonly target: string; readonly authority: string } | null
  /** Whole exchange; 0: none. */
  readonly timeoutMs: number
  readonly retry: {
    readonly attempts: number
    readonly perTryTimeoutMs: number
    readonly on: readonly string[]
    readonly statuses: readonly number[]
    /** Base of the backoff between tries. */
    readonly backoffMs: number
  } | null
  /** Further features of the rule (CORS, faults, mirrors), by name. */
  readonly features: Readonly<Record<string, unknown>>
}

export interface ExplainedOutcome {
  /** True: the request is forwarded, or answered as configuration asks. */
  readonly ok: boolean
  readonly type:
    'forward' | 'redirect' | 'direct-response' | 'passthrough' | 'tunnel' | 'tcp' | 'refused'
  /** Status of the answer where the gateway gives it; null when an upstream does. */
  readonly status: number | null
  /** Response flag of a refusal (`NR`, `NC`, `UH`), or ''. */
  readonly flag: string
  /** Location of a redirect, or null. */
  readonly location: string | null
  /** One line: what happens. */
  readonly summary: string
  /** What is near, or what to do. */
  readonly hints: readonly string[]
}

/** Why a request goes where it goes. Field names are stable. */
export interface Explanation {
  /** Generation of the configuration that answered. */
  readonly generation: number
  /** Endpoint health and bound sockets are those of a running gateway. */
  readonly live: boolean
  readonly request: ExplainedRequest | null
  readonly outcome: ExplainedOutcome
  readonly listener: ExplainedListener | null
  readonly tls: ExplainedTls | null
  /** null: no RequestAuthentication applies, or nobody asked for the token yet. */
  readonly authentication: ExplainedAuthentication | null
  readonly virtualHost: ExplainedVirtualHost | null
  readonly rules: readonly ExplainedRule[]
  readonly route: ExplainedRoute | null
  /** Of the route, the tunnel or the TCP connection. */
  readonly destinations: readonly ExplainedDestination[]
  readonly elsewhere: readonly ElsewhereHint[]
  /** Errors and warnings about the resources that took part. */
  readonly problems: readonly { readonly place: Place; readonly message: string }[]
}
