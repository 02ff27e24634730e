import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DownstreamDouble, type ScriptedCluster } from '../../test/support/exchange-double.ts'
import { forwardTo, NO_EGRESS, ProxyBench, routeOf } from '../../test/support/proxy-bench.ts'
import { requestOf } from '../../test/support/requests.ts'
import { Cidr } from '../base/cidr.ts'
import { Headers } from '../http/headers.ts'
import { Request, UNKNOWN_LENGTH } from '../http/request.ts'
import { HostTable } from '../routing/host-table.ts'
import { VirtualHost } from '../routing/virtual-host.ts'
import type { EgressPlan, TunnelRule } from '../snapshot/egress-plan.ts'
import { failure } from '../upstream/failures.ts'
import { handleEgress } from './egress.ts'

const ALLOW_ANY = new VirtualHost('allow_any', [routeOf({ type: 'passthrough' })], false)

const benches: ProxyBench[] = []

function benchOf(plan: (cluster: ScriptedCluster) => Partial<EgressPlan>): ProxyBench {
  const probe = new ProxyBench()
  benches.push(probe)
  const egress = { ...NO_EGRESS, ...plan(probe.cluster) }
  probe.runtime.snapshot = { ...probe.runtime.snapshot, egress }
  return probe
}

/** Knows `api.test` on port 80 and on port 443 (CONNECT), and the block 198.51.100.0/24 on both. */
function known(cluster: ScriptedCluster): Partial<EgressPlan> {
  const virtualHost = new VirtualHost('api.test:80', [routeOf(forwardTo(cluster))], false)
  const cidr = Cidr.parse('198.51.100.0/24')!
  return {
    http: new Map([[80, new HostTable([['api.test', virtualHost]])]]),
    tunnels: new Map([[443, new HostTable([['api.test', cluster.plan]])]]),
    addresses: [
      { cidr, port: 80, cluster: cluster.plan, virtualHost, serverNames: null },
      { cidr, port: 443, cluster: cluster.plan, virtualHost: null, serverNames: null },
      {
        cidr: Cidr.parse('203.0.113.7')!,
        port: 8443,
        cluster: null,
        virtualHost: null,
        serverNames: null,
      },
    ],
  }
}

function open(cluster: ScriptedCluster): Partial<EgressPlan> {
  return { ...known(cluster), policy: 'ALLOW_ANY', unknownHost: ALLOW_ANY }
}

let bench: ProxyBench
beforeEach(() => {
  bench = benchOf(known)
})
afterEach(() => {
  for (const used of benches.splice(0)) {
    expect(used.runtime.active).toBe(0)
    used[Symbol.dispose]()
  }
})

function connect(authority: string): DownstreamDouble {
  return bench.egress({ method: 'CONNECT', authority, target: '' })
}

/** The wire ends an exchange whose answer is complete. */
function finish(client: DownstreamDouble): void {
  if (client.answered) client.flushed()
  else client.clientAborts()
}

describe('absolute-form requests', () => {
  test('to a known host go to its cluster; credentials for the proxy stay here', () => {
    const headers = ['proxy-authorization', 'Basic x', 'authorization', 'Bearer y']
    const client = bench.egress({ authority: 'API.test', target: '/a?b', headers })
    const { request } = bench.cluster.attempts[0]!
    expect(request!.target).toBe('/a?b')
    expect(request!.headers.has('proxy-authorization')).toBe(false)
    expect(request!.headers.get('authorization')).toBe('Bearer y')
    bench.cluster.attempts[0]!.heads(200).ends()
    finish(client)
    expect(bench.records).toMatchObject([{ status: 200, clusterName: 'outbound|80||web' }])
  })

  test('with the port in the name are the same', () => {
    const client = bench.egress({ authority: 'api.test:80' })
    expect(bench.cluster.attempts.length).toBe(1)
    finish(client)
  })

  test('to an address inside a declared block go to its cluster', () => {
    const client = bench.egress({ authority: '198.51.100.200' })
    expect(bench.cluster.attempts.length).toBe(1)
    finish(client)
  })

  const unknown: [name: string, authority: string][] = [
    ['an unknown host', 'other.test'],
    ['a known host on a port nobody declared', 'api.test:8080'],
    ['a host that only CONNECT knows', 'api.test:443'],
    ['an address outside every block', '198.51.101.1'],
    ['a known address on a port nobody declared', '198.51.100.1:8080'],
    ['an opaque block', '203.0.113.7:8443'],
    ['an IPv6 address', '[2001:db8::1]'],
  ]
  test.each(unknown)('REGISTRY_ONLY: %s is 502 from BlackHoleCluster', (_name, authority) => {
    const client = bench.egress({ authority })
    expect(client.status).toBe(502)
    expect(client.body).toContain('REGISTRY_ONLY')
    expect(bench.passthrough.asked).toEqual([])
    finish(client)
    expect(bench.records).toMatchObject([{ clusterName: 'BlackHoleCluster', flags: '-' }])
  })

  test.each([
    ['other.test', 'other.test:80'],
    ['other.test:8080', 'other.test:8080'],
    ['api.test:8080', 'api.test:8080'],
    ['[2001:db8::1]:81', '2001:db8::1:81'],
  ])('ALLOW_ANY: %s goes where it says', (authority, asked) => {
    bench = benchOf(open)
    const client = bench.egress({ authority })
    expect(bench.passthrough.asked).toEqual([asked])
    expect(bench.declaredPassthrough.asked).toEqual([])
    bench.passthrough.attempts[0]!.heads(200).ends()
    finish(client)
    expect(bench.records).toMatchObject([{ clusterName: 'PassthroughCluster' }])
  })

  test('a declared host without endpoints goes where it says, unjudged', () => {
    bench = benchOf(() => ({ http: new Map([[80, new HostTable([['*.wild.test', ALLOW_ANY]])]]) }))
    const client = bench.egress({ authority: 'a.wild.test' })
    expect(bench.declaredPassthrough.asked).toEqual(['a.wild.test:80'])
    expect(bench.passthrough.asked).toEqual([])
    bench.declaredPassthrough.attempts[0]!.heads(200).ends()
    finish(client)
    expect(bench.records).toMatchObject([{ clusterName: 'outbound|80||a.wild.test' }])
  })

  test('an address that must not be dialled is 403 that says why', () => {
    bench = benchOf(open)
    const client = bench.egress({ authority: 'metadata.test' })
    bench.passthrough.attempts[0]!.fails(
      failure('address-refused', 'address 169.254.169.254 is not allowed'),
    )
    expect(client.status).toBe(403)
    expect(client.body).toContain('metadata.test:80')
    expect(client.body).toContain('169.254.169.254')
    finish(client)
    expect(bench.records).toMatchObject([{ details: 'egress_address_refused' }])
  })

  test('WebSocket upgrades pass, others are 403 and the connection ends', () => {
    finish(bench.egress({ authority: 'api.test', upgrade: 'websocket' }))
    expect(bench.cluster.attempts[0]!.request!.upgrade).toBe('websocket')
    const client = bench.egress({ authority: 'api.test', upgrade: 'h2c' })
    expect(client.status).toBe(403)
    expect(client.closing).toBe(true)
    finish(client)
  })
})

describe('CONNECT', () => {
  test('to a known host opens a tunnel both ways to its cluster', () => {
    const client = connect('api.test:443')
    expect(client.status).toBe(200)
    expect(client.tunnel).toBe(true)
    const [tunnel] = bench.cluster.attempts
    client.clientSends('hello')
    tunnel!.sends('world')
    expect(tunnel!.body).toBe('hello')
    expect(client.body).toBe('world')
    client.clientEnds()
    expect(tunnel!.ended).toBe(true)
    tunnel!.ends()
    finish(client)
    expect(bench.records).toMatchObject([{ status: 200, clusterName: 'outbound|80||web' }])
  })

  test('without port asks for 443', () => {
    finish(connect('api.test'))
    expect(bench.cluster.attempts.length).toBe(1)
  })

  test('to an address inside a declared block goes to its cluster', () => {
    finish(connect('198.51.100.1:443'))
    expect(bench.cluster.attempts.length).toBe(1)
  })

  test('to a declared address without endpoints goes to that address', () => {
    finish(connect('203.0.113.7:8443'))
    expect(bench.declaredPassthrough.asked).toEqual(['203.0.113.7:8443'])
  })

  test.each([
    'other.test:443',
    'api.test:80',
    'api.test:8443',
    '203.0.113.8:8443',
    '198.51.100.1:8443',
  ])('REGISTRY_ONLY: %s is 502', (authority) => {
    const client = connect(authority)
    expect(client.status).toBe(502)
    expect(client.tunnel).toBe(false)
    finish(client)
    expect(bench.passthrough.asked).toEqual([])
    expect(bench.records).toMatchObject([{ clusterName: 'BlackHoleCluster' }])
  })

  test('ALLOW_ANY: an unknown host is reached as asked', () => {
    bench = benchOf(open)
    finish(connect('other.test:8443'))
    expect(bench.passthrough.asked).toEqual(['other.test:8443'])
    expect(bench.records).toMatchObject([{ clusterName: 'PassthroughCluster' }])
  })

  test('a failed connect is answered with its status', () => {
    bench.cluster.script.readyAtOnce = false
    const client = connect('api.test:443')
    bench.cluster.attempts[0]!.fails(failure('connect-refused'))
    expect(client.status).toBe(503)
    finish(client)
    expect(bench.records).toMatchObject([{ status: 503, flags: 'UF' }])
  })

  test('a rule splits by weight', () => {
    const other = new ProxyBench()
    benches.push(other)
    const rule = (cluster: ScriptedCluster): TunnelRule => ({
      name: 'outbound|443||split.test',
      destinations: [
        { clusterName: 'one', cluster: cluster.plan },
        { clusterName: 'two', cluster: other.cluster.plan },
        { clusterName: 'gone', cluster: null },
      ],
      cumulativeWeights: [80, 90, 100],
    })
    bench = benchOf((cluster) => ({
      tunnelRules: new Map([[443, new HostTable([['split.test', rule(cluster)]])]]),
    }))
    const ask = (random: number): DownstreamDouble => {
      bench.random = random
      const client = connect('split.test:443')
      finish(client)
      return client
    }
    ask(0.79)
    ask(0.8)
    expect(ask(0.9).status).toBe(503)
    expect(bench.cluster.attempts.length).toBe(1)
    expect(other.cluster.attempts.length).toBe(1)
    expect(bench.records.map(({ clusterName, flags }) => [clusterName, flags])).toEqual([
      ['one', '-'],
      ['two', '-'],
      ['gone', 'NC'],
    ])
  })

  test('a rule without destinations goes to the asked host, whatever the policy', () => {
    const rule: TunnelRule = {
      name: 'outbound|443||a.w.test',
      destinations: [],
      cumulativeWeights: [],
    }
    bench = benchOf(() => ({ tunnelRules: new Map([[443, new HostTable([['a.w.test', rule]])]]) }))
    finish(connect('a.w.test:443'))
    expect(bench.declaredPassthrough.asked).toEqual(['a.w.test:443'])
  })

  test('a wildcard rule does too, but the address guard judges where it leads', () => {
    const rule: TunnelRule = {
      name: 'outbound|443||*.w.test',
      destinations: [],
      cumulativeWeights: [],
    }
    bench = benchOf(() => ({ tunnelRules: new Map([[443, new HostTable([['*.w.test', rule]])]]) }))
    finish(connect('a.w.test:443'))
    expect(bench.declaredPassthrough.asked).toEqual([])
    expect(bench.passthrough.asked).toEqual(['a.w.test:443'])
  })

  test('HTTP/2: what the client sends before the answer is held, not lost', () => {
    bench.cluster.script.readyAtOnce = false
    const { authority, headers } = requestOf({ authority: 'api.test:443' })
    const request = new Request({
      protocol: 'HTTP/2',
      method: 'CONNECT',
      scheme: 'http',
      authority,
      path: '',
      query: '',
      headers: new Headers(headers.fields),
      bodyLength: UNKNOWN_LENGTH,
      upgrade: null,
      expectsContinue: false,
      absoluteForm: false,
    })
    const client = new DownstreamDouble(request)
    handleEgress(bench.runtime, client)
    expect(client.paused).toBe(true)
    client.clientSends('early')
    client.clientEnds()
    const [tunnel] = bench.cluster.attempts
    tunnel!.ready()
    expect(tunnel!.body).toBe('early')
    expect(tunnel!.ended).toBe(true)
    tunnel!.ends()
    finish(client)
  })
})
