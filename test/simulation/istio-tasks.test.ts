import { describe, expect, test } from 'vitest'
import { Simulation } from '../support/simulate.ts'
import { task } from '../support/task.ts'

const PORTS = { productpage: 7000, v1: 7001, v2: 7002, v3: 7003, httpbin: 7004 }
const OWN_LABELS = { ownLabels: [{ istio: 'ingressgateway' }] }
const reviews = (subset: string): string =>
  `outbound|9080|${subset}|reviews.default.svc.cluster.local`

function simulate(files: readonly string[], values: Readonly<Record<string, number>> = {}) {
  const simulation = new Simulation(task(files, { ...PORTS, ...values }), OWN_LABELS)
  expect([...simulation.storeProblems, ...simulation.problems].map(({ code }) => code)).toEqual([])
  return simulation
}

describe('the bookinfo gateway', () => {
  const simulation = simulate(['services.yaml', 'bookinfo.yaml'])
  const page = 'outbound|9080||productpage.default.svc.cluster.local'
  test.each([
    ['/productpage', page],
    ['/productpage?u=normal', page],
    ['/productpage/', '404 NR'],
    ['/static/bootstrap.css', page],
    ['/statics', page],
    ['/login', page],
    ['/logout', page],
    ['/logout/now', '404 NR'],
    ['/api/v1/products/0/reviews', page],
    ['/api/v2/products', '404 NR'],
    ['/', '404 NR'],
  ])('%s goes to %s, whatever the host', (path, to) => {
    for (const host of ['192.0.2.1', 'bookinfo.example.com']) {
      expect(simulation.resolve({ port: 80, host, path }).to).toBe(to)
    }
  })
})

describe('request routing by user', () => {
  const simulation = simulate(['services.yaml', 'request-routing.yaml'])
  test.each([
    [{ 'end-user': 'jason' }, reviews('v2')],
    [{ 'end-user': 'Jason' }, reviews('v1')],
    [{ 'end-user': 'jason ,x' }, reviews('v1')],
    [{}, reviews('v1')],
  ])('%o goes to %s', (headers, to) => {
    expect(simulation.resolve({ port: 80, host: 'reviews.test', headers }).to).toBe(to)
  })
})

test.each([
  [100, 0, reviews('v1')],
  [50, 50, `50% ${reviews('v1')}, 50% ${reviews('v3')}`],
  [0, 100, reviews('v3')],
])('traffic shifting %d to %d', (v1, v3, to) => {
  const weights = { 'weight-v1': v1, 'weight-v3': v3 }
  const simulation = simulate(['services.yaml', 'traffic-shifting.yaml'], weights)
  expect(simulation.resolve({ port: 80, host: 'reviews.test' }).to).toBe(to)
})

test.each([
  ['httpbin.example.com', '/status/200', 'outbound|8000||httpbin.default.svc.cluster.local'],
  ['httpbin.example.com', '/delay/2', 'outbound|8000||httpbin.default.svc.cluster.local'],
  ['httpbin.example.com', '/headers', '404 NR'],
  ['other.example.com', '/status/200', '404 NR'],
])('ingress: %s%s goes to %s', (host, path, to) => {
  expect(simulate(['ingress-httpbin.yaml']).resolve({ port: 80, host, path }).to).toBe(to)
})
