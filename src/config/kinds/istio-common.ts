import { boolean, duration, ignored, integer, list, map, object, oneOf, string } from '../schema.ts'

export const port = object({
  number: integer,
  protocol: string,
  name: string,
  targetPort: integer,
})

export const stringMatch = object({ exact: string, prefix: string, regex: string })

export const destination = object({
  host: string,
  subset: string,
  port: object({ number: integer }),
})

export const headerOperations = object({
  set: map(string),
  add: map(string),
  remove: list(string),
})

export const headers = object({ request: headerOperations, response: headerOperations })

export const percent = object({ value: { type: 'number' } as const })

export const workloadSelector = object({ labels: map(string) })

export const tlsProtocolVersions = oneOf('TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3')

const loadBalancer = object({
  simple: oneOf(
    'UNSPECIFIED',
    'LEAST_CONN',
    'RANDOM',
    'PASSTHROUGH',
    'ROUND_ROBIN',
    'LEAST_REQUEST',
  ),
  consistentHash: object({
    httpHeaderName: string,
    httpCookie: object({
      name: string,
      path: string,
      ttl: duration,
      attributes: list(object({ name: string, value: string })),
    }),
    useSourceIp: boolean,
    httpQueryParameterName: string,
    ringHash: object({ minimumRingSize: integer }),
    maglev: object({ tableSize: integer }),
    minimumRingSize: integer,
  }),
  localityLbSetting: ignored(
    object({
      distribute: list(object({ from: string, to: map(integer) })),
      failover: list(object({ from: string, to: string })),
      failoverPriority: list(string),
      enabled: boolean,
    }),
    'endpoints of all localities are used alike',
  ),
  zoneAwareLbSetting: ignored({ type: 'any' }, 'endpoints of all localities are used alike'),
  warmup: ignored(
    object({ duration, minimumPercent: { type: 'number' }, aggression: { type: 'number' } }),
    'new endpoints get their full share at once',
  ),
  warmupDurationSecs: ignored(duration, 'new endpoints get their full share at once'),
})

const connectionPool = object({
  tcp: object({
    maxConnections: integer,
    connectTimeout: duration,
    tcpKeepalive: object({ probes: integer, time: duration, interval: duration }),
    maxConnectionDuration: ignored(duration, 'upstream connections have no maximum age'),
    idleTimeout: duration,
  }),
  http: object({
    http1MaxPendingRequests: integer,
    http2MaxRequests: integer,
    maxRequestsPerConnection: integer,
    maxRetries: ignored(integer, 'concurrent retries are not limited per cluster'),
    idleTimeout: duration,
    h2UpgradePolicy: oneOf('DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE'),
    useClientProtocol: ignored(boolean, 'the upstream protocol follows the service port'),
    maxConcurrentStreams: ignored(
      integer,
      'the peer decides how many streams a connection carries',
    ),
    http2KeepAlive: ignored({ type: 'any' }, 'no PING frames are sent to upstreams'),
  }),
})

const outlierDetection = object({
  consecutiveErrors: integer,
  splitExternalLocalOriginErrors: boolean,
  consecutiveLocalOriginFailures: integer,
  consecutiveGatewayErrors: integer,
  consecutive5xxErrors: integer,
  interval: duration,
  baseEjectionTime: duration,
  maxEjectionPercent: integer,
  minHealthPercent: integer,
  outlierDetectionHttpErrorCodes: ignored(list(integer), 'every 5xx counts as an error'),
})

const clientTls = object({
  mode: oneOf('DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'),
  clientCertificate: string,
  privateKey: string,
  caCertificates: string,
  caCrl: ignored(string, 'no revocation list is checked'),
  credentialName: string,
  subjectAltNames: list(string),
  sni: string,
  insecureSkipVerify: boolean,
})

const policyBlocks = {
  loadBalancer,
  connectionPool,
  outlierDetection,
  tls: clientTls,
}

export const trafficPolicy = object({
  ...policyBlocks,
  portLevelSettings: list(object({ port: object({ number: integer }), ...policyBlocks })),
  tunnel: ignored(
    object({ protocol: string, targetHost: string, targetPort: integer }),
    'connections are not tunnelled through another proxy',
  ),
  proxyProtocol: ignored(
    object({ version: oneOf('V1', 'V2') }),
    'no PROXY header is sent upstream',
  ),
  retryBudget: ignored({ type: 'any' }, 'retries are bounded by attempts only'),
})
