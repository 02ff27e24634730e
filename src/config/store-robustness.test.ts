import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ResourceStore } from './store.ts'

const SAMPLES = [
  `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: a
  labels: &l {app: web}
spec:
  hosts: ["*.example.com"]
  gateways: [gw]
  http:
  - match:
    - uri: {prefix: /api}
      headers:
        end-user: {exact: jason}
    route:
    - destination: {host: a, port: {number: 80}, subset: v1}
      weight: 20
    timeout: 1.5s
    retries: {attempts: 3, perTryTimeout: 2s}
`,
  `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [a.com]
    tls: {mode: SIMPLE, credentialName: cert}
`,
  `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: dr}
spec:
  host: a
  trafficPolicy:
    loadBalancer: {consistentHash: {useSourceIp: True}}
    outlierDetection: {consecutive5xxErrors: 7, interval: 5m}
  subsets: [{name: v1, labels: {version: v1}}]
`,
  `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: se}
spec:
  hosts: [x.com]
  addresses: [10.0.0.0/8]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 1.2.3.4}]
`,
  `apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: ef}
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    match: {context: GATEWAY}
    patch: {operation: INSERT_BEFORE, value: {name: x, typed_config: {a: 1}}}
`,
  'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: eA==}\nstringData: {b: c}\n',
  'apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n',
]

const PIECES = [
  '\n',
  '\t',
  ' ',
  '  ',
  '- ',
  ': ',
  '---\n',
  '...\n',
  '{',
  '}',
  '[',
  ']',
  '"',
  "'",
  '|',
  '>',
  '&a ',
  '*a',
  '<<: ',
  '!x ',
  '// ',
  '# ',
  '? ',
  '%',
  '\r',
  '\u0000',
  '\uFEFF',
  'null',
  '~',
  '-1',
  '.nan',
  '99999999999999999999',
  '[]',
  '{}',
  'true',
  'constructor',
  '__proto__: 1',
]

/** Words of the samples exchanged, repeated, dropped: text that is nearly a resource. */
const mutated = fc
  .tuple(
    fc.constantFrom(...SAMPLES),
    fc.array(fc.tuple(fc.nat(2000), fc.nat(12), fc.constantFrom(...PIECES)), { maxLength: 6 }),
  )
  .map(([sample, edits]) =>
    edits.reduce((text, [at, drop, piece]) => {
      const index = at % (text.length + 1)
      return text.slice(0, index) + piece + text.slice(index + drop)
    }, sample),
  )

/** A sample with any JSON value in the place of one of its values. */
const replaced = fc
  .tuple(fc.constantFrom(...SAMPLES), fc.nat(100), fc.jsonValue({ maxDepth: 3 }))
  .map(([sample, which, value]) => {
    const places = Array.from(sample.matchAll(/: ([^\s,}\]]+)/g), (match) => match)
    const place = places[which % places.length]
    if (place?.[1] === undefined) return sample
    const index = place.index + 2
    return sample.slice(0, index) + JSON.stringify(value) + sample.slice(index + place[1].length)
  })

describe('whatever the files say', () => {
  it('a load ends in a set and Problems, and the good file beside it is served', () => {
    const good = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: untouched}\n'
    const text = fc.oneof(
      { weight: 6, arbitrary: mutated },
      { weight: 4, arbitrary: replaced },
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc
        .array(fc.constantFrom(...PIECES, 'a', 'kind: Service'), { maxLength: 60 })
        .map((pieces) => pieces.join('')),
    )
    fc.assert(
      fc.property(text, fc.boolean(), (hostile, compat) => {
        const store = new ResourceStore({ compat })
        for (const texts of [
          [hostile, good],
          [SAMPLES[0] ?? '', good],
          [hostile, good],
        ]) {
          const files = texts.map((text, index) => ({ path: `${index}.yaml`, text, error: null }))
          const { set, problems } = store.load(files)
          expect(set.namespaces.some(({ metadata }) => metadata.name === 'untouched')).toBe(true)
          for (const problem of problems) {
            expect(problem.code).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/)
            expect(problem.message).not.toBe('')
          }
        }
      }),
      { numRuns: 600 },
    )
  })
})
