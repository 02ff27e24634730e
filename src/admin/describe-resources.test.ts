import { describe, expect, test } from 'vitest'
import { ResourceStore } from '../config/store.ts'
import { describeResources } from './describe-resources.ts'

const YAML = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web, namespace: shop, creationTimestamp: "2026-01-02T03:04:05Z" }
spec: { hosts: [web.test], http: [{ directResponse: { status: 200 } }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: broken, namespace: shop }
spec: { hots: [web.test] }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec:
  servers:
  - { port: { number: 80, name: a, protocol: HTTP }, hosts: [a.test, b.test] }
  - { port: { number: 81, name: b, protocol: HTTP }, hosts: [a.test] }
---
apiVersion: v1
kind: Secret
metadata: { name: hidden, namespace: shop }
stringData: { password: hush }
`

function resources(kind: string | null): ReturnType<typeof describeResources> {
  const store = new ResourceStore({ compat: false })
  const { set, problems } = store.load([{ path: 'web.yaml', text: YAML, error: null }])
  return describeResources(set, problems, kind)
}

describe('resources', () => {
  test('are told with their place, hosts and age', () => {
    expect(resources('VirtualService')[0]).toEqual({
      kind: 'VirtualService',
      namespace: 'shop',
      name: 'web',
      hosts: ['web.test'],
      gateways: ['mesh'],
      file: 'web.yaml',
      line: 1,
      createdAt: '2026-01-02T03:04:05.000Z',
      served: true,
      problems: { error: 0, warning: 0, info: 0 },
    })
    expect(resources('Gateway')).toMatchObject([{ hosts: ['a.test', 'b.test'], gateways: [] }])
  })

  test('without a good version are told by their errors', () => {
    const broken = resources('VirtualService').slice(1)
    expect(broken).toMatchObject([
      { namespace: 'shop', name: 'broken', served: false, file: 'web.yaml', createdAt: null },
    ])
    expect(broken[0]?.problems.error).toBeGreaterThan(0)
  })

  test('of every kind leave Secrets out', () => {
    expect(new Set(resources(null).map(({ kind }) => kind))).toEqual(
      new Set(['Gateway', 'VirtualService']),
    )
    expect(JSON.stringify(resources(null))).not.toMatch(/hidden|hush/)
    expect(resources('Secret')).toEqual([])
  })
})
