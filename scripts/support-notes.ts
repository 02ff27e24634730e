import type { Support } from '../src/config/schema.ts'

/** What a field table cannot say: values of a field that fare differently, decided by compile/. */
export interface SupportNote {
  readonly support: Support
  readonly note: string
}

function works(note: string): SupportNote {
  return { support: 'works', note }
}

function refuses(note: string): SupportNote {
  return { support: 'refused', note }
}

const POLICY_NOTES = {
  'loadBalancer.simple': works(
    'LEAST_CONN is an alias; PASSTHROUGH is LEAST_REQUEST, with a finding',
  ),
  'loadBalancer.localityLbSetting.enabled': works(
    'everything in this block needs --locality; failover needs outlierDetection too',
  ),
  'loadBalancer.warmup.duration': works('ROUND_ROBIN and LEAST_REQUEST'),
  'loadBalancer.warmupDurationSecs': works('deprecated: warmup wins over it'),
  'outlierDetection.consecutiveErrors': works(
    'deprecated: counts as consecutiveGatewayErrors; no effect with --compat, as in Istio',
  ),
  'tls.mode': works('ISTIO_MUTUAL uses the certificate files in --mesh-certs'),
  'connectionPool.tcp.tcpKeepalive.probes': works('before Node 26 the operating system decides'),
  'connectionPool.tcp.tcpKeepalive.interval': works('before Node 26 the operating system decides'),
}

function policyNotes(prefix: string): Record<string, SupportNote> {
  return Object.fromEntries(
    Object.entries(POLICY_NOTES).map(([path, note]) => [`${prefix}.${path}`, note]),
  )
}

/** Kind, then field path as the matrix writes it. */
export const supportNotes: Readonly<Record<string, Readonly<Record<string, SupportNote>>>> = {
  Gateway: {
    'spec.servers[].port.protocol': works(
      'HTTP, HTTP2, GRPC, GRPC-WEB (translated to gRPC), HTTPS, TCP and TLS (opaque bytes, or passed through)',
    ),
    'spec.servers[].port.targetPort': refuses('no effect on a Gateway: a Service translates ports'),
    'spec.servers[].bind': works('IP addresses; unix sockets are refused'),
    'spec.servers[].tls.mode': works(
      'no mode is PASSTHROUGH, as in Istio; ISTIO_MUTUAL reads its files from --mesh-certs',
    ),
    'spec.servers[].tls.credentialName': works(
      'the name of a Secret; configmap:// and sds:// are not served',
    ),
    'spec.servers[].tls.cipherSuites': works('TLS 1.2 and below; unknown names are left out'),
    'spec.servers[].tls.ecdhCurves': works('unknown names are left out'),
  },
  VirtualService: {
    'spec.http[].mirror.host': works(
      'the copy keeps its Host; -shadow with the annotation tidegate.dev/mirror-suffix',
    ),
    'spec.http[].mirrorPercent': works('deprecated: mirrorPercentage wins over it'),
    'spec.http[].match[].headers{}.exact': works(
      '@request.auth.claims.a.b and [a][b] are claims of a validated token, on Gateways only',
    ),
    'spec.http[].match[].sourceLabels': works('describes the gateway itself, as in Istio'),
    'spec.http[].fault.delay.percent': works('deprecated: counts without percentage'),
    'spec.http[].fault.delay.exponentialDelay': refuses('Istio never implemented it'),
    'spec.http[].fault.abort.http2Error': refuses('Istio never implemented it'),
    'spec.http[].corsPolicy.allowOrigin': works('deprecated: counts without allowOrigins'),
  },
  RequestAuthentication: {
    'spec.selector.matchLabels': works('compared with --labels; without --labels all match'),
    'spec.targetRef.kind': works('Gateway of networking.istio.io or gateway.networking.k8s.io'),
    'spec.targetRefs[].kind': works('Gateway of networking.istio.io or gateway.networking.k8s.io'),
    'spec.jwtRules[].timeout': works('default 5s, at most 60s'),
  },
  DestinationRule: {
    ...policyNotes('spec.trafficPolicy'),
    ...policyNotes('spec.trafficPolicy.portLevelSettings[]'),
    ...policyNotes('spec.subsets[].trafficPolicy'),
    ...policyNotes('spec.subsets[].trafficPolicy.portLevelSettings[]'),
  },
  ServiceEntry: {
    'spec.addresses': works('host bits of a CIDR block are dropped, with a finding'),
    'spec.ports[].protocol': works('UDP ports are left out, with a finding'),
    'spec.resolution': works(
      'NONE has no endpoints at a Gateway; DYNAMIC_DNS follows Host or server name',
    ),
  },
  Sidecar: {
    'spec.egress[].port.protocol': works(
      'HTTP_PROXY: the hosts are visible on every port; others are checked and change nothing',
    ),
    'spec.egress[].port.name': works('a name for people'),
    'spec.egress[].captureMode': works(
      'NONE: the hosts are visible on every port; IPTABLES is DEFAULT',
    ),
    'spec.outboundTrafficPolicy.mode': works('ALLOW_ANY_DYNAMIC_DNS is for MeshConfig only'),
  },
  EnvoyFilter: {
    'spec.configPatches[].patch.value': works(
      'the shapes of Istio rate limiting; other patches are not applied, with a finding',
    ),
  },
}

const CONNECTIONS = 'defaultConfig.connectionSettings'

/** MeshConfig fields, with the defaults that stand without a profile. */
export const meshNotes: Readonly<Record<string, SupportNote>> = {
  accessLogFile: works(
    '/dev/stdout, /dev/stderr, or a path that is appended to; a rotated file is opened anew on SIGHUP',
  ),
  'tlsDefaults.minProtocolVersion': works(
    'for Gateway servers that end TLS, other than ISTIO_MUTUAL; default TLSV1_2',
  ),
  'tlsDefaults.ecdhCurves': works('for Gateway servers and DestinationRule tls'),
  'tlsDefaults.cipherSuites': works('for Gateway servers and DestinationRule tls; TLS 1.2'),
  'meshMTLS.minProtocolVersion': works('for ISTIO_MUTUAL of Gateway servers and DestinationRules'),
  'meshMTLS.cipherSuites': works(
    'for ISTIO_MUTUAL of Gateway servers and DestinationRules; TLS 1.2',
  ),
  'defaultConfig.gatewayTopology.numTrustedProxies': works(
    'above 0 also lifts the limit of 1000 connections from one address (IPv6: one /64)',
  ),
  'defaultConfig.gatewayTopology.proxyProtocol': works(
    'with --trusted-proxy only the peers listed send a header; see docs/tcp.md',
  ),
  'defaultConfig.gatewayTopology.forwardClientCertDetails': works('default SANITIZE_SET'),
  'defaultConfig.proxyHeaders.setCurrentClientCertDetails.cert': works(
    'default true without the block, false with it',
  ),
  'defaultConfig.proxyHeaders.setCurrentClientCertDetails.chain': works('default false'),
  'defaultConfig.proxyHeaders.xForwardedPort.enabled': works(
    'the port the connection came in on, unless a trusted proxy said one',
  ),
  [`${CONNECTIONS}.profile`]: works(
    'EDGE as Istio documents; SIDECAR (no defaults in Istio) leaves the defaults below',
  ),
  [`${CONNECTIONS}.listenerPerConnectionBufferLimitBytes`]: works('default 32768'),
  [`${CONNECTIONS}.clusterPerConnectionBufferLimitBytes`]: works('default 32768'),
  [`${CONNECTIONS}.httpIdleTimeout`]: works('default 75s; EDGE: 1h; 0s: never'),
  [`${CONNECTIONS}.httpMaxConnectionDuration`]: works(
    'default 1h, up to a tenth earlier; 0s: no limit',
  ),
  [`${CONNECTIONS}.httpDrainTimeout`]: works(
    'default 5s; HTTP/1.1: how long a connection past its duration stays open while idle; HTTP/2: the first GOAWAY names the last stream',
  ),
  [`${CONNECTIONS}.httpRequestTimeout`]: works('default 300s; 0s: never'),
  [`${CONNECTIONS}.httpRequestHeadersTimeout`]: works('default 10s; EDGE: 60s; 0s: never'),
  [`${CONNECTIONS}.httpStreamIdleTimeout`]: works('default 300s; 0s: never'),
  [`${CONNECTIONS}.httpMaxStreamDuration`]: works('default: no limit'),
  [`${CONNECTIONS}.httpMaxConcurrentStreams`]: works('default 100'),
  [`${CONNECTIONS}.http2InitialStreamWindowSize`]: works('default 65536'),
  [`${CONNECTIONS}.http2InitialConnectionWindowSize`]: works('default 1048576'),
  [`${CONNECTIONS}.httpHeadersWithUnderscoresAction`]: works(
    'default REJECT_REQUEST; with --compat and without EDGE: ALLOW',
  ),
  [`${CONNECTIONS}.httpMergeSlashes`]: works('default as pathNormalization; EDGE: true'),
  [`${CONNECTIONS}.httpPathWithEscapedSlashesAction`]: works(
    'default as pathNormalization; EDGE: UNESCAPE_AND_REDIRECT',
  ),
  [`${CONNECTIONS}.listenerConnectionLimit`]: works('default: no limit'),
  [`${CONNECTIONS}.globalDownstreamConnectionLimit`]: works(
    'default 50000 or half of the open files (ulimit -n), whichever is less',
  ),
}
