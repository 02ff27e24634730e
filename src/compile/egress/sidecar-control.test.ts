import { hash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Simulation } from '../../../test/support/simulate.ts'
import type { EgressControl } from '../../snapshot/egress-control.ts'
import { NO_EGRESS_CONTROL } from './egress-control-settings.ts'

function pod(name: string, spec: string, status: string): string {
  return `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop }
spec: ${spec}
status: ${status}
---
`
}

function controlOf(simulation: Simulation): EgressControl {
  const { control } = simulation.snapshot.egress
  if (control === null) throw new Error('no control was compiled')
  return control
}

test('workloads are known by every address of theirs that is theirs alone', () => {
  const { workloads } = controlOf(
    new Simulation(
      [
        pod(
          'dual',
          '{ serviceAccountName: web }',
          '{ podIP: 10.0.0.1, podIPs: [{ ip: 10.0.0.1 }, { ip: "fd00::1" }] }',
        ),
        pod('plain', '{}', '{ podIP: 10.0.0.2 }'),
        pod('done', '{}', '{ podIP: 10.0.0.2, phase: Succeeded }'),
        pod('on-node', '{ hostNetwork: true }', '{ podIP: 10.0.0.9 }'),
        pod('one', '{}', '{ podIP: 10.0.0.3 }'),
        pod('other', '{}', '{ podIP: 10.0.0.3 }'),
        pod('waiting', '{}', '{ phase: Pending }'),
        `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: machine, namespace: data }
spec: { address: 192.0.2.5 }
`,
      ].join(''),
    ),
  )
  const known = [...workloads].map(
    ([address, client]) => `${address} ${client.id} ${client.serviceAccount}`,
  )
  expect(known).toEqual([
    '10.0.0.1 shop/dual web',
    'fd00::1 shop/dual web',
    '10.0.0.2 shop/plain default',
    '192.0.2.5 data/machine ',
  ])
})

describe('users', () => {
  const secret = (data: string): string => `apiVersion: v1
kind: Secret
metadata: { name: users, namespace: istio-system }
stringData: ${data}
`
  const compiled = (yaml: string): Simulation =>
    new Simulation(yaml, { egress: { ...NO_EGRESS_CONTROL, users: 'istio-system/users' } })

  test('come as lines, plain or hashed, or as one name and password', () => {
    const digest = hash('sha256', 'b')
    const lines = ['# people', 'ann:a', `shop/ben:sha256:${digest}`, '', ':nobody', 'broken'].join(
      '\\n',
    )
    const { users } = controlOf(
      compiled(secret(`{ users: "${lines}", username: cy, password: "c:d" }`)),
    )
    const found = [...(users ?? [])].map(([name, { digest: found, client }]) => [
      name,
      found.toString('hex'),
      client.namespace,
    ])
    expect(found).toEqual([
      ['cy', hash('sha256', 'c:d'), ''],
      ['ann', hash('sha256', 'a'), ''],
      ['shop/ben', digest, 'shop'],
    ])
  })

  test.each([
    ['a Secret that is not there', '', 'secret-not-found'],
    ['a Secret without users', secret('{ other: x }'), 'secret-keys-missing'],
  ])('%s lets nobody in, and is an error', (_name, yaml, code) => {
    const simulation = compiled(yaml)
    expect(controlOf(simulation).users?.size).toBe(0)
    expect(simulation.problems.map((problem) => problem.code)).toContain(code)
  })
})

test('who declares a host is known by name, alias and address, on its ports only', () => {
  const { declarations, addresses } = controlOf(
    new Simulation(`apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { clusterIP: 10.1.0.1, ports: [{ name: http, port: 80 }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: wild, namespace: outside }
spec: { hosts: ["*.api.test"], resolution: DYNAMIC_DNS, ports: [{ number: 443, name: tls, protocol: TLS }] }
`),
  )
  const declared = (port: number, host: string): string => {
    const found = declarations.get(port)?.find(host) ?? null
    return found === null
      ? ''
      : `${found.namespace}/${found.host} ${found.origin.kind} ${found.origin.line}`
  }
  const service = 'shop/web.shop.svc.cluster.local Service 4'
  expect(declared(80, 'web.shop.svc.cluster.local')).toBe(service)
  expect(declared(80, 'web.shop')).toBe(service)
  expect(declared(443, 'web.shop')).toBe('')
  expect(declared(443, 'x.api.test')).toBe('outside/*.api.test ServiceEntry 9')
  expect(addresses.map(({ cidr, port }) => `${cidr.toString()} ${port}`)).toEqual([
    '10.1.0.1/32 80',
  ])
})
