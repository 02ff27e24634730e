import { describe, expect, test } from 'vitest'
import type { ClusterPlan } from '../../src/clusters/plan.ts'
import { Simulation, type SimulationOptions } from '../support/simulate.ts'

/** A ServiceEntry as if it were service `web` of namespace `default`, ports 80 and 81. */
const WEB = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: web }
spec:
  hosts: [web.default.svc.cluster.local]
  ports: [{ number: 80, name: http, protocol: HTTP }, { number: 81, name: http-two, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 10.0.0.1, labels: { v: one } }]
---
`

/** The random policy of a cluster tells which rule made it: `RANDOM` here, `ROUND_ROBIN` there. */
function rule(name: string, host: string, spec: string, metadata = ''): string {
  return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name}${metadata} }
spec: { host: "${host}", ${spec} }
---
`
}

const balancer = (simple: string): string =>
  `trafficPolicy: { loadBalancer: { simple: ${simple} } }`

function webCluster(yaml: string, port = 80, options: SimulationOptions = {}): ClusterPlan {
  return new Simulation(WEB + yaml, options).cluster(
    `outbound|${port}||web.default.svc.cluster.local`,
  )
}

/** Routes the host `web` of the mesh to a subset, which makes its cluster. */
function subsetCluster(yaml: string, subset: string, port = 80): ClusterPlan {
  const run = new Simulation(`${WEB + yaml}apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web }
spec: { hosts: [web], http: [{ route: [{ destination: { host: web, subset: ${subset}, port: { number: ${port} } } }] }] }
`)
  return run.cluster(`outbound|${port}|${subset}|web.default.svc.cluster.local`)
}

describe('which DestinationRule applies', () => {
  test.each([
    ['of the namespace of the service', rule('a', 'web', balancer('RANDOM')), {}],
    [
      'of the own namespace before that of the service',
      rule('a', 'web', balancer('ROUND_ROBIN')) +
        rule('b', 'web.default.svc.cluster.local', balancer('RANDOM'), ', namespace: edge'),
      { namespace: 'edge' },
    ],
    [
      'of the service before that of the root namespace',
      rule('a', '*.default.svc.cluster.local', balancer('RANDOM')) +
        rule(
          'b',
          'web.default.svc.cluster.local',
          balancer('ROUND_ROBIN'),
          ', namespace: istio-system',
        ),
      {},
    ],
    [
      'of the root namespace when there is no other',
      rule('b', '*.cluster.local', balancer('RANDOM'), ', namespace: istio-system'),
      { namespace: 'edge' },
    ],
    [
      'private to the root namespace when the gateway stands there',
      rule('a', 'web', balancer('ROUND_ROBIN')) +
        rule(
          'b',
          '*.cluster.local',
          `exportTo: ["."], ${balancer('RANDOM')}`,
          ', namespace: istio-system',
        ),
      {},
    ],
    [
      'with the exact host before a wildcard',
      rule('a', '*.local', balancer('ROUND_ROBIN')) + rule('b', 'web', balancer('RANDOM')),
      {},
    ],
    [
      'with the longest wildcard',
      rule('a', '*.local', balancer('ROUND_ROBIN')) +
        rule('b', '*.cluster.local', balancer('RANDOM')),
      {},
    ],
  ])('the one %s', (_name, yaml, options) => {
    expect(webCluster(yaml, 80, options).loadBalancer.policy).toBe('random')
  })

  test('an exact rule hides a wildcard rule whole: nothing is inherited', () => {
    const yaml =
      rule('a', '*.local', 'trafficPolicy: { outlierDetection: {} }') +
      rule('b', 'web', balancer('RANDOM'))
    expect(webCluster(yaml).outlier).toBeNull()
  })

  test('the namespace of the VirtualService plays no role', () => {
    const yaml = rule('a', 'web.default.svc.cluster.local', balancer('RANDOM'), ', namespace: team')
    expect(webCluster(yaml).loadBalancer.policy).toBe('least-request')
  })

  test('one that exportTo hides does not apply, and that is said', () => {
    const run = new Simulation(WEB + rule('a', 'web', `exportTo: ["."], ${balancer('RANDOM')}`))
    expect(run.cluster('outbound|80||web.default.svc.cluster.local').loadBalancer.policy).toBe(
      'least-request',
    )
    expect(run.found('hidden-by-export-to')[0]?.severity).toBe('info')
  })

  test.each([
    ['gone', 'destination-rule-host-not-found'],
    ['*.cluster.local', 'destination-rule-not-used'],
  ])('one for %s that is never used is reported', (host, code) => {
    const run = new Simulation(
      WEB + rule('a', 'web', balancer('RANDOM')) + rule('b', host, balancer('RANDOM')),
    )
    expect(run.found(code).map((finding) => finding.ref?.name)).toEqual(['b'])
  })
})

describe('rules for the same host in one namespace', () => {
  const yaml =
    rule(
      'young',
      'web',
      `${balancer('RANDOM')}, subsets: [{ name: two, labels: { v: two } }, { name: one, labels: { v: other } }]`,
      ', creationTimestamp: "2024-02-01T00:00:00Z"',
    ) +
    rule(
      'old',
      'web',
      `${balancer('ROUND_ROBIN')}, subsets: [{ name: one, labels: { v: one } }]`,
      ', creationTimestamp: "2024-01-01T00:00:00Z"',
    )

  test('the oldest policy stays, and the other is reported', () => {
    expect(webCluster(yaml).loadBalancer.policy).toBe('round-robin')
    expect(new Simulation(WEB + yaml).found('destination-rule-policy-dropped')[0]?.ref?.name).toBe(
      'young',
    )
  })

  test('subsets are united; of two with one name the older stays', () => {
    expect(subsetCluster(yaml, 'two').endpoints).toEqual([])
    expect(subsetCluster(yaml, 'one').endpoints).toHaveLength(1)
  })
})

describe('precedence inside a rule', () => {
  const yaml = rule(
    'web',
    'web',
    `trafficPolicy: { loadBalancer: { simple: RANDOM }, outlierDetection: { consecutive5xxErrors: 3 }, portLevelSettings: [{ port: { number: 81 }, connectionPool: { tcp: { maxConnections: 7 } } }] },
   subsets: [{ name: one, labels: { v: one }, trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } } }, { name: ported, labels: { v: one }, trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN }, portLevelSettings: [{ port: { number: 80 }, connectionPool: { tcp: { maxConnections: 9 } } }] } }]`,
  )

  test('the top level applies to the whole service', () => {
    expect(webCluster(yaml)).toMatchObject({
      loadBalancer: { policy: 'random' },
      outlier: { consecutive5xx: 3 },
    })
  })

  test('portLevelSettings replaces everything: omitted blocks are defaults', () => {
    expect(webCluster(yaml, 81)).toMatchObject({
      loadBalancer: { policy: 'least-request' },
      outlier: null,
      limits: { maxConnections: 7 },
    })
  })

  test('a subset overrides block by block', () => {
    expect(subsetCluster(yaml, 'one')).toMatchObject({
      loadBalancer: { policy: 'round-robin' },
      outlier: { consecutive5xx: 3 },
    })
  })

  test('a subset entry for the port goes before its own blocks', () => {
    expect(subsetCluster(yaml, 'ported')).toMatchObject({
      loadBalancer: { policy: 'least-request' },
      limits: { maxConnections: 9 },
    })
  })
})

describe('defaults of a cluster', () => {
  test('without any rule', () => {
    expect(webCluster('')).toMatchObject({
      protocol: 'http1',
      loadBalancer: { policy: 'least-request' },
      outlier: null,
      tls: null,
      limits: {
        maxConnections: 0,
        connectTimeoutMs: 10_000,
        idleTimeoutMs: 3_600_000,
        tcpIdleTimeoutMs: 3_600_000,
        tcpKeepaliveMs: 0,
      },
    })
  })

  test('MeshConfig supplies timeouts, keepalive and the h2 upgrade', () => {
    const meshConfig = {
      connectTimeout: '3s',
      tcpKeepalive: {},
      h2UpgradePolicy: 'UPGRADE' as const,
    }
    expect(webCluster('', 80, { meshConfig })).toMatchObject({
      protocol: 'http2',
      limits: { connectTimeoutMs: 3000, tcpKeepaliveMs: 7_200_000 },
    })
  })

  test('an empty outlierDetection block means its defaults', () => {
    expect(webCluster(rule('a', 'web', 'trafficPolicy: { outlierDetection: {} }')).outlier).toEqual(
      {
        consecutive5xx: 5,
        consecutiveGatewayErrors: 0,
        splitLocalOrigin: false,
        consecutiveLocalOriginFailures: 0,
        intervalMs: 10_000,
        baseEjectionTimeMs: 30_000,
        maxEjectionPercent: 10,
        minHealthPercent: 0,
        alwaysEjectOne: true,
      },
    )
  })

  test.each([
    [
      '{ httpHeaderName: X-User }',
      { policy: 'ring-hash', key: { from: 'header', name: 'x-user' } },
    ],
    ['{ httpQueryParameterName: user }', { key: { from: 'query', name: 'user' } }],
    [
      '{ httpCookie: { name: sid } }',
      { key: { from: 'cookie', name: 'sid', path: null, ttlMs: null } },
    ],
    ['{ httpCookie: { name: sid, path: /, ttl: 0s } }', { key: { path: '/', ttlMs: 0 } }],
    ['{ useSourceIp: true, maglev: { tableSize: 251 } }', { policy: 'maglev', tableSize: 251 }],
    ['{ useSourceIp: true, minimumRingSize: 64 }', { policy: 'ring-hash', minimumRingSize: 64 }],
  ])('consistentHash %s', (hash, expected) => {
    const yaml = rule('a', 'web', `trafficPolicy: { loadBalancer: { consistentHash: ${hash} } }`)
    expect(webCluster(yaml).loadBalancer).toMatchObject(expected)
  })
})

describe('TLS origination', () => {
  const tls = (block: string): string => rule('a', 'web', `trafficPolicy: { tls: ${block} }`)
  const ca = `apiVersion: v1
kind: Secret
metadata: { name: web-ca-cacert, namespace: istio-system }
stringData: { ca.crt: PEM }
---
`

  test.each([
    ['{ mode: DISABLE }', null],
    ['{}', null],
    [
      '{ mode: SIMPLE }',
      {
        serverName: null,
        subjectAltNames: [],
        ca: null,
        caFile: null,
        client: null,
        insecureSkipVerify: false,
      },
    ],
    [
      '{ mode: SIMPLE, sni: web.test, subjectAltNames: [web.test] }',
      { serverName: 'web.test', subjectAltNames: ['web.test'] },
    ],
    ['{ mode: SIMPLE, caCertificates: /etc/ca.pem }', { caFile: '/etc/ca.pem' }],
    ['{ mode: SIMPLE, caCertificates: system }', { caFile: null, ca: null }],
    ['{ mode: SIMPLE, credentialName: web-ca }', { ca: 'PEM' }],
    [
      '{ mode: MUTUAL, clientCertificate: /c.pem, privateKey: /k.pem }',
      { client: { kind: 'files', certificate: '/c.pem', key: '/k.pem' } },
    ],
  ])('%s', (block, expected) => {
    const plan = webCluster(ca + tls(block)).tls
    if (expected === null) expect(plan).toBeNull()
    else expect(plan).toMatchObject(expected)
  })

  test.each([
    ['{ mode: SIMPLE, credentialName: gone }', 'secret-keys-missing'],
    ['{ mode: MUTUAL, credentialName: gone }', 'secret-not-found'],
  ])('%s cannot be met: there is no cluster rather than one in clear text', (block, code) => {
    const run = new Simulation(WEB + tls(block))
    expect(run.snapshot.clusters.filter((cluster) => cluster.name.includes('web'))).toEqual([])
    expect(run.egress({ port: 80, host: 'web' }).to).toBe('503 NC')
    expect(run.found(code)[0]?.severity).toBe('error')
  })

  test('a ServiceEntry lists the names where the rule lists none', () => {
    const yaml = `${tls('{ mode: SIMPLE }').replace('"web"', 'ext.test')}apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ext }
spec: { hosts: [ext.test], ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 443 }], resolution: DNS, subjectAltNames: [ext-san.test] }
`
    const cluster = new Simulation(yaml).cluster('outbound|80||ext.test')
    expect(cluster.tls?.subjectAltNames).toEqual(['ext-san.test'])
    expect(cluster.endpoints[0]).toMatchObject({ address: 'ext.test', port: 443 })
  })
})
