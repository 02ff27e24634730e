import { describe, expect, test } from 'vitest'
import { resourceFrom } from '../../../test/support/resource.ts'
import type { SidecarSpec } from '../../config/kinds/sidecar.ts'
import type { Resource } from '../../config/resource.ts'
import { SidecarScope } from './sidecar-scope.ts'
import { SidecarScopes } from './sidecar-scopes.ts'

function sidecar(namespace: string, name: string, spec: string): Resource<SidecarSpec> {
  const text = `apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}`
  return resourceFrom(text) as Resource<SidecarSpec>
}

const egress = (...hosts: readonly string[]): string => JSON.stringify({ egress: [{ hosts }] })

const sights: [hosts: string[], seen: string[], hidden: string[]][] = [
  [['*/*'], ['shop/a.test', 'other/*.test'], []],
  [['./*'], ['shop/a.test'], ['other/a.test']],
  [['other/*'], ['other/a.test'], ['shop/a.test']],
  [['*/a.test'], ['shop/a.test', 'other/a.test'], ['shop/b.test', 'shop/x.a.test']],
  [['*/*.a.test'], ['shop/x.a.test', 'shop/*.x.a.test', 'shop/*.a.test'], ['shop/a.test']],
  [['*/x.a.test'], ['shop/x.a.test'], ['shop/*.a.test']],
  [['~/*'], [], ['shop/a.test', 'other/a.test']],
  [['*/*', '~other/*'], ['shop/a.test'], ['other/a.test']],
  [['~other/a.test', '*/*'], ['other/b.test', 'shop/a.test'], ['other/a.test']],
  [['./*', 'other/a.test'], ['shop/b.test', 'other/a.test'], ['other/b.test']],
]

test.each(sights)('%j', (hosts, seen, hidden) => {
  const scope = new SidecarScope(sidecar('shop', 'one', egress(...hosts)))
  const sees = (text: string): boolean => {
    const [namespace = '', host = ''] = text.split('/')
    return scope.sees(namespace, host, 80)
  }
  expect(seen.filter((text) => !sees(text))).toEqual([])
  expect(hidden.filter(sees)).toEqual([])
  // Asked again, the answers are remembered ones.
  expect([...seen, ...hidden].filter(sees)).toEqual(seen)
})

describe('entries with a port', () => {
  const entry = (hosts: string, settings: string): string => `{ hosts: ["${hosts}"], ${settings} }`
  const http = 'port: { number: 8080, name: http, protocol: HTTP }'
  const rest = entry('*/rest.test', '')
  const everywhere = ['a.test:80', 'a.test:8080']
  const visible: [name: string, entries: string[], sees: string[]][] = [
    [
      'are all that is visible on it, the last one on every other',
      [entry('*/a.test', http), rest],
      ['a.test:8080', 'rest.test:80'],
    ],
    ['leave other ports without hosts', [entry('*/a.test', http)], ['a.test:8080']],
    [
      'are united when they share it',
      [entry('*/a.test', http), entry('*/rest.test', http)],
      ['a.test:8080', 'rest.test:8080'],
    ],
    [
      'count on every port when clients connect to that one (bind)',
      [entry('*/a.test', `${http}, bind: 127.0.0.1`), rest],
      [...everywhere, 'rest.test:80', 'rest.test:8080'],
    ],
    [
      'count on every port when it is not intercepted (captureMode NONE)',
      [entry('*/a.test', `${http}, captureMode: NONE`)],
      everywhere,
    ],
    [
      'count on it when it is intercepted (captureMode IPTABLES)',
      [entry('*/a.test', `${http}, captureMode: IPTABLES`)],
      ['a.test:8080'],
    ],
    [
      'count on every port when it is that of an HTTP proxy',
      [entry('*/a.test', 'port: { number: 8080, name: proxy, protocol: HTTP_PROXY }')],
      everywhere,
    ],
  ]
  test.each(visible)('%s', (_name, entries, sees) => {
    const scope = new SidecarScope(sidecar('shop', 'one', `{ egress: [${entries.join(', ')}] }`))
    const all = [...everywhere, 'rest.test:80', 'rest.test:8080']
    const seen = all.filter((text) => {
      const [host = '', port = ''] = text.split(':')
      return scope.sees('other', host, Number(port))
    })
    expect(seen).toEqual(sees)
  })
})

describe('policy', () => {
  test.each([
    ['is the mesh policy when the block is absent', egress('*/*'), null],
    ['is what mode says', '{ outboundTrafficPolicy: { mode: ALLOW_ANY } }', 'ALLOW_ANY'],
    ['is REGISTRY_ONLY in a block without mode', '{ outboundTrafficPolicy: {} }', 'REGISTRY_ONLY'],
  ])('%s', (_name, spec, policy) => {
    const scope = new SidecarScope(sidecar('shop', 'one', spec))
    expect(scope.policy).toBe(policy)
    expect(scope.sees('other', 'a.test', 80)).toBe(true)
  })
})

describe('the Sidecar of a workload', () => {
  const selecting = (name: string, app: string): Resource<SidecarSpec> =>
    sidecar(
      'shop',
      name,
      `{ workloadSelector: { labels: { app: ${app} } }, egress: [{ hosts: ["*/*"] }] }`,
    )
  const plain = (namespace: string, name: string): Resource<SidecarSpec> =>
    sidecar(namespace, name, egress('*/*'))
  const all = [
    plain('istio-system', 'root'),
    selecting('old-web', 'web'),
    selecting('new-web', 'web'),
    plain('shop', 'old'),
    plain('shop', 'new'),
    sidecar(
      'istio-system',
      'selects',
      '{ workloadSelector: { labels: { app: db } }, egress: [{ hosts: ["*/*"] }] }',
    ),
  ]
  const scopes = new SidecarScopes(all, 'istio-system')

  test.each([
    ['the oldest that selects it', 'shop', { app: 'web' }, 'shop/old-web'],
    ['the oldest of its namespace', 'shop', { app: 'db' }, 'shop/old'],
    ["the root namespace's", 'other', { app: 'web' }, 'istio-system/root'],
    [
      'a selecting one of the root namespace only there',
      'other',
      { app: 'db' },
      'istio-system/root',
    ],
    [
      'a selecting one in the root namespace',
      'istio-system',
      { app: 'db' },
      'istio-system/selects',
    ],
  ])('is %s', (_name, namespace, labels, expected) => {
    expect(scopes.of(namespace, labels)?.name).toBe(expected)
  })

  test('is none without any', () => {
    expect(new SidecarScopes([], 'istio-system').of('shop', {})).toBeNull()
  })
})
