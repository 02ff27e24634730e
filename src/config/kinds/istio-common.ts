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

/** Of a DestinationRule, and of MeshConfig. */
export const localityLbSetting = object({
  distribute: list(object({ from: string, to: map(integer) })),
  failover: list(object({ from: string, to: string })),
  failoverPriority: list(string),
  enabled: boolean,
})

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
  localityLbSetting,
  zoneAwareLbSetting: ignored({ type: 'any' }, 'zones do not share in proportion to their size'),
  warmup: object({
    duration,
    minimumPercent: { type: 'number' },
    aggression: { type: 'number' },
  }),
  warmupDurationSecs: duration,
})

const connectionPool = object({
  tcp: object({
    maxConnections: integer,
    connectTimeout: duration,
    tcpKeepalive: object({ probes: integer, time: duration, interval: duration }),
    maxConnectionDuration: duration,
    idleTimeout: duration,
  }),
  http: object({
    http1MaxPendingRequests: integer,
    http2MaxRequests: integer,
    maxRequestsPerConnection: integer,
    maxRetries: integer,
    idleTimeout: duration,
    h2UpgradePolicy: oneOf('DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE'),
    useClientProtocol: boolean,
    maxConcurrentStreams: integer,
    http2KeepAlive: object({ interval: duration, timeout: duration }),
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
  outlierDetectionHttpErrorCodes: list(integer),
})

const clientTls = object({
  mode: oneOf('DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'),
  clientCertificate: string,
  privateKey: string,
  caCertificates: string,
  caCrl: string,
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
  tunnel: object({ protocol: string, targetHost: string, targetPort: integer }),
  proxyProtocol: object({ version: oneOf('V1', 'V2') }),
  retryBudget: object({
    percent: { type: 'number' },
    minRetryConcurrency: integer,
    budgetInterval: ignored(duration, 'the budget is a share of the requests active at the time'),
  }),
})
