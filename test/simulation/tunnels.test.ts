import { describe, expect, test } from 'vitest'
import type { ClusterPlan } from '../../src/clusters/plan.ts'
import { Simulation } from '../support/simulate.ts'

const HOST = 'proxy.default.svc.cluster.local'
const WEB = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: proxy }
spec:
  hosts: [${HOST}]
  ports: [{ number: 80, name: tcp, protocol: TCP }, { number: 81, name: tcp-two, protocol: TCP }]
  resolution: STATIC
  endpoints: [{ address: 10.0.0.1, labels: { v: one } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: proxy }
spec:
  hosts: [${HOST}]
  tcp: [{ match: [{ port: 80 }], route: [{ destination: { host: ${HOST}, subset: one } }] }]
---
`
const TUNNEL = 'tunnel: { protocol: CONNECT, targetHost: db.test, targetPort: 5432 }'
const HEADER = 'proxyProtocol: { version: V2 }'

/** A policy must not be empty. */
const ANY = 'loadBalancer: { simple: RANDOM }'

function clusterOf(policy: string, subsetPolicy = '', name = `outbound|80||${HOST}`): ClusterPlan {
  const block = (more: string): string => `{ ${ANY}${more === '' ? '' : `, ${more}`} }`
  const subset = `{ name: one, labels: { v: one }, trafficPolicy: ${block(subsetPolicy)} }`
  return new Simulation(`${WEB}apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: proxy }
spec: { host: ${HOST}, trafficPolicy: ${block(policy)}, subsets: [${subset}] }
---
`).cluster(name)
}

const SUBSET = `outbound|80|one|${HOST}`

describe('DestinationRule tunnel', () => {
  test.each([
    ['CONNECT', TUNNEL, { method: 'CONNECT', authority: 'db.test:5432' }],
    [
      'no protocol is CONNECT',
      'tunnel: { targetHost: db.test, targetPort: 1 }',
      { method: 'CONNECT', authority: 'db.test:1' },
    ],
    [
      'POST',
      'tunnel: { protocol: POST, targetHost: 192.0.2.1, targetPort: 1 }',
      { method: 'POST', authority: '192.0.2.1:1' },
    ],
    [
      'IPv6',
      'tunnel: { targetHost: "2001:db8::1", targetPort: 1 }',
      { method: 'CONNECT', authority: '[2001:db8::1]:1' },
    ],
    ['none', '', null],
  ])('%s', (_name, policy, tunnel) => {
    expect(clusterOf(policy).tunnel).toEqual(tunnel)
  })

  test('a subset has its own or none', () => {
    expect(clusterOf(TUNNEL, '', SUBSET).tunnel).toBeNull()
    expect(clusterOf('', TUNNEL, SUBSET).tunnel).not.toBeNull()
    expect(clusterOf('', TUNNEL).tunnel).toBeNull()
  })

  test('portLevelSettings leave it in force', () => {
    const ports = 'portLevelSettings: [{ port: { number: 80 }, loadBalancer: { simple: RANDOM } }]'
    expect(clusterOf(`${TUNNEL}, ${ports}`).tunnel).not.toBeNull()
  })
})

describe('DestinationRule proxyProtocol', () => {
  test.each([
    ['V2', HEADER, 'V2'],
    ['no version is V1', 'proxyProtocol: {}', 'V1'],
    ['none', '', null],
    [
      'portLevelSettings replace it',
      `${HEADER}, portLevelSettings: [{ port: { number: 80 }, loadBalancer: { simple: RANDOM } }]`,
      null,
    ],
    [
      'portLevelSettings of another port do not',
      `${HEADER}, portLevelSettings: [{ port: { number: 81 }, loadBalancer: { simple: RANDOM } }]`,
      'V2',
    ],
  ])('%s', (_name, policy, version) => {
    expect(clusterOf(policy).proxyProtocol).toBe(version)
  })

  test('a subset takes it over, or has its own', () => {
    expect(clusterOf(HEADER, '', SUBSET).proxyProtocol).toBe('V2')
    expect(clusterOf(HEADER, 'proxyProtocol: { version: V1 }', SUBSET).proxyProtocol).toBe('V1')
  })
})
