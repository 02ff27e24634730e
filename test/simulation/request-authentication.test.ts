import { describe, expect, test } from 'vitest'
import { JwtAuthentication } from '../../plugins/jwt/index.ts'
import { BuiltInFilters } from '../../src/process/built-in-filters.ts'
import { Simulation, type SimulationOptions } from '../support/simulate.ts'
import { gateway, virtualService } from '../support/yaml.ts'

const JWKS = '{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}'

function authentication(spec: string, namespace = 'istio-system', name = 'jwt'): string {
  return `apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
---
`
}

const RULE = `{ issuer: me, jwks: '${JWKS}' }`

const BASE = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: app, namespace: shop }
spec: { hosts: ["a.test"], gateways: [edge], http: [{ directResponse: { status: 200 } }] }
---
`

function simulate(yaml: string, options: SimulationOptions = {}): Simulation {
  const authenticators = new JwtAuthentication({ log: () => undefined })
  return new Simulation(yaml, { authenticators, namespace: 'edge-ns', ...options })
}

/** Issuers of the rules on a port; null: no authenticator. */
function issuers(simulation: Simulation, port = 80): readonly string[] | null {
  const accept = simulation.listener(port)?.accept
  if (accept?.type !== 'http') throw new Error('no HTTP listener')
  const described = accept.http.authenticator?.describe()
  if (described === undefined) return null
  return (described['rules'] as { issuer: string }[]).map(({ issuer }) => issuer)
}

describe('which gateway a RequestAuthentication reaches', () => {
  const labels = { ownLabels: [{ istio: 'ingressgateway', app: 'edge' }] }
  const cases: readonly (readonly [
    name: string,
    spec: string,
    namespace: string,
    reached: boolean,
    finding: 'warning' | 'info' | null,
    options?: SimulationOptions,
  ])[] = [
    [
      'without selector in the root namespace',
      `{ jwtRules: [${RULE}] }`,
      'istio-system',
      true,
      null,
    ],
    ["in the gateway's namespace", `{ jwtRules: [${RULE}] }`, 'edge-ns', true, null],
    ["in the Gateway resource's namespace alone", `{ jwtRules: [${RULE}] }`, 'shop', false, 'info'],
    [
      'by a selector of its labels',
      `{ selector: { matchLabels: { app: edge } }, jwtRules: [${RULE}] }`,
      'istio-system',
      true,
      null,
    ],
    [
      'by a selector of its labels from another namespace',
      `{ selector: { matchLabels: { app: edge } }, jwtRules: [${RULE}] }`,
      'shop',
      false,
      'warning',
    ],
    [
      'by a selector of other labels',
      `{ selector: { matchLabels: { app: web } }, jwtRules: [${RULE}] }`,
      'istio-system',
      false,
      'info',
    ],
    [
      'by any selector when no labels are known',
      `{ selector: { matchLabels: { app: web } }, jwtRules: [${RULE}] }`,
      'istio-system',
      true,
      null,
      { ownLabels: [] },
    ],
    [
      'as a target',
      `{ targetRefs: [{ group: networking.istio.io, kind: Gateway, name: edge }], jwtRules: [${RULE}] }`,
      'shop',
      true,
      null,
    ],
    [
      'as a target of another name',
      `{ targetRef: { group: networking.istio.io, kind: Gateway, name: other }, jwtRules: [${RULE}] }`,
      'shop',
      false,
      'warning',
    ],
    [
      'as a Kubernetes Gateway by the label of its pods',
      `{ targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: k8s }], jwtRules: [${RULE}] }`,
      'istio-system',
      true,
      null,
      {
        ownLabels: [{ istio: 'ingressgateway', 'gateway.networking.k8s.io/gateway-name': 'k8s' }],
      },
    ],
    ['without rules: nothing is asked', '{}', 'istio-system', false, null],
  ]

  const rows = cases.map(([name, spec, namespace, reached, finding, options = labels]) => {
    return { name, spec, namespace, reached, finding, options }
  })
  test.each(rows)('$name', ({ spec, namespace, reached, finding, options }) => {
    const simulation = simulate(BASE + authentication(spec, namespace), options)
    expect(issuers(simulation)).toEqual(reached ? ['me'] : null)
    const found = simulation.found('request-authentication-ignored')
    expect(found.map(({ severity }) => severity)).toEqual(finding === null ? [] : [finding])
  })

  test('the namespace of the mesh comes first, whatever the order of the files', () => {
    const own = authentication(`{ jwtRules: [{ issuer: own, jwks: '${JWKS}' }] }`, 'edge-ns', 'a')
    const mesh = authentication(
      `{ jwtRules: [{ issuer: mesh, jwks: '${JWKS}' }] }`,
      'istio-system',
      'z',
    )
    expect(issuers(simulate(BASE + own + mesh))).toEqual(['mesh', 'own'])
  })

  test('a Gateway that is no target is left alone', () => {
    const target = `{ targetRef: { group: networking.istio.io, kind: Gateway, name: edge }, jwtRules: [${RULE}] }`
    const other =
      gateway('other', ['b.test'], 81) +
      virtualService('b', ['b.test'], ['other'], '  - directResponse: { status: 200 }')
    const simulation = simulate(BASE + other + authentication(target, 'shop'))
    expect([issuers(simulation, 80), issuers(simulation, 81)]).toEqual([['me'], null])
  })

  test('an equal rule is enforced by the same verifier after a change', () => {
    const authenticators = new JwtAuthentication({ log: () => undefined })
    const yaml = BASE + authentication(`{ jwtRules: [${RULE}] }`)
    const first = simulate(yaml, { authenticators })
    authenticators.published()
    const second = simulate(`${yaml}${gateway('more', ['c.test'], 82)}`, { authenticators })
    expect(issuers(first)).toEqual(issuers(second))
  })
})

describe('rules', () => {
  const cases: readonly (readonly [name: string, spec: string, codes: readonly string[]])[] = [
    ['a plain rule', `{ jwtRules: [${RULE}] }`, []],
    ['neither issuer nor jwksUri', `{ jwtRules: [{ jwks: '${JWKS}' }] }`, ['missing-field']],
    ['jwksUri alone', '{ jwtRules: [{ jwksUri: "https://a.test/keys" }] }', []],
    ['no URL', '{ jwtRules: [{ jwksUri: "a.test/keys" }] }', ['invalid-url']],
    ['a URL of files', '{ jwtRules: [{ jwksUri: "file:///etc/keys" }] }', ['invalid-url']],
    [
      'a URL with credentials',
      '{ jwtRules: [{ jwksUri: "https://a:b@a.test/keys" }] }',
      ['invalid-url'],
    ],
    ['plain HTTP', '{ jwtRules: [{ jwksUri: "http://a.test/keys" }] }', ['jwks-over-http']],
    [
      'keys twice',
      `{ jwtRules: [{ issuer: me, jwks: '${JWKS}', jwksUri: "https://a.test/keys" }] }`,
      ['jwks-uri-unused'],
    ],
    ['no way to find keys', '{ jwtRules: [{ issuer: me }] }', ['jwt-keys-unknown']],
    ['an issuer to discover', '{ jwtRules: [{ issuer: "https://a.test" }] }', []],
    ['keys that are no JSON', "{ jwtRules: [{ issuer: me, jwks: 'keys' }] }", ['invalid-jwks']],
    ['keys without list', "{ jwtRules: [{ issuer: me, jwks: '{}' }] }", ['invalid-jwks']],
    [
      'keys of no kind',
      `{ jwtRules: [{ issuer: me, jwks: '{"keys":[{"kty":"x"}]}' }] }`,
      ['invalid-jwks'],
    ],
    [
      'an empty audience',
      `{ jwtRules: [{ issuer: me, jwks: '${JWKS}', audiences: [""] }] }`,
      ['missing-field'],
    ],
    [
      'places without names',
      `{ jwtRules: [{ issuer: me, jwks: '${JWKS}', fromHeaders: [{ prefix: a }], fromParams: [""], fromCookies: [""] }] }`,
      ['missing-field', 'missing-field', 'missing-field'],
    ],
    [
      'no header name',
      `{ jwtRules: [{ issuer: me, jwks: '${JWKS}', outputPayloadToHeader: "a b" }] }`,
      ['invalid-header-name'],
    ],
    [
      'a header that frames the message',
      `{ jwtRules: [{ issuer: me, jwks: '${JWKS}', outputClaimToHeaders: [{ header: Content-Length, claim: a }] }] }`,
      ['invalid-header-name'],
    ],
    [
      'one header for two claims',
      `{ jwtRules: [{ issuer: me, jwks: '${JWKS}', outputPayloadToHeader: X-A, outputClaimToHeaders: [{ header: x-a, claim: a }] }] }`,
      ['duplicate-output-header'],
    ],
    [
      'selector and target',
      `{ selector: { matchLabels: { a: b } }, targetRef: { group: networking.istio.io, kind: Gateway, name: a } }`,
      ['conflicting-fields'],
    ],
    [
      'a target that is no Gateway',
      '{ targetRefs: [{ group: "", kind: Service, name: a }] }',
      ['target-not-a-gateway'],
    ],
    [
      'no timeout',
      `{ jwtRules: [{ issuer: me, jwks: '${JWKS}', timeout: 0s }] }`,
      ['invalid-duration'],
    ],
    [
      'too long a timeout',
      `{ jwtRules: [{ issuer: me, jwks: '${JWKS}', timeout: 2m }] }`,
      ['invalid-duration'],
    ],
    [
      'an unknown field',
      `{ jwtRules: [{ issuer: me, jwkUri: "https://a.test" }] }`,
      ['unknown-field'],
    ],
  ]
  test.each(cases)('%s', (_name, spec, codes) => {
    const { storeProblems } = simulate(authentication(spec))
    expect(storeProblems.map(({ code }) => code)).toEqual(codes)
  })

  test('keys never stand in a finding', () => {
    const secret = `{"keys":[{"kty":"oct","k":"c2VjcmV0"}`
    const { storeProblems } = simulate(
      authentication(`{ jwtRules: [{ issuer: me, jwks: '${secret}' }] }`),
    )
    expect(storeProblems).toHaveLength(1)
    expect(JSON.stringify(storeProblems)).not.toContain('c2VjcmV0')
  })

  test.each(['v1', 'v1beta1'])('version %s is read, AuthorizationPolicy is not', (version) => {
    const yaml = authentication(`{ jwtRules: [${RULE}] }`).replace('/v1', `/${version}`)
    const policy = yaml.replace('RequestAuthentication', 'AuthorizationPolicy')
    expect(simulate(yaml).storeProblems).toEqual([])
    expect(simulate(policy).storeProblems.map(({ code }) => code)).toContain('unsupported-kind')
  })

  test('another version is a mistake', () => {
    const yaml = authentication('{}').replace('/v1', '/v2')
    expect(simulate(yaml).storeProblems).toMatchObject([{ code: 'unknown-api-version' }])
  })
})

describe('one with errors that was never good', () => {
  test.each([
    ['without target', '{ jwtRules: [{ issuer: me, jwks: "" , nonsense: 1 }] }', 'istio-system'],
    ['of a wrong shape', '{ jwtRules: 7 }', 'istio-system'],
    [
      'with a target',
      '{ targetRef: { group: networking.istio.io, kind: Gateway, name: edge }, jwtRules: [{}] }',
      'shop',
    ],
  ])('%s: something that accepts nothing stands in', (_name, spec, namespace) => {
    const simulation = simulate(BASE + authentication(spec, namespace))
    expect(issuers(simulation)).toEqual([''])
    expect(simulation.found('request-authentication-withheld')).toHaveLength(1)
  })

  test('which still belongs to others only', () => {
    const spec = '{ selector: { matchLabels: { app: web } }, jwtRules: [{}] }'
    const options = { ownLabels: [{ istio: 'ingressgateway' }] }
    const simulation = simulate(BASE + authentication(spec), options)
    expect(issuers(simulation)).toBeNull()
    expect(simulation.found('request-authentication-withheld')).toEqual([])
  })
})

describe('RateLimitPolicy claims', () => {
  const policy = (claims: string): string => `apiVersion: tidegate.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: limits, namespace: shop }
spec:
  targetRef: { kind: VirtualService, name: app }
  rules: [{ name: each, match: { claims: ${claims} }, limits: [{ requests: 1, per: 60s }] }]
---
`
  const filterFactories = BuiltInFilters.forCompilation().factories

  test('where nobody validates tokens they are a finding', () => {
    const yaml = BASE + policy('{ sub: { distinct: true } }')
    expect(
      simulate(yaml, { filterFactories }).found('claims-without-authentication'),
    ).toMatchObject([{ severity: 'warning', path: ['spec', 'rules', 0, 'match', 'claims'] }])
    const covered = yaml + authentication(`{ jwtRules: [${RULE}] }`)
    expect(simulate(covered, { filterFactories }).problems).toMatchObject([
      { code: 'every-gateway-served' },
    ])
  })

  test.each([
    ['{ "a..b": {} }', ['invalid-claim']],
    ['{ "[a": {} }', ['invalid-claim']],
    ['{ sub: { exact: a, prefix: b } }', ['conflicting-fields']],
    ['{ sub: { invert: true, distinct: true } }', ['conflicting-fields']],
    ['{ "[https://a.test/plan]": { regex: "a|b" }, realm.plan: {} }', []],
  ])('%s', (claims, codes) => {
    expect(simulate(policy(claims)).storeProblems.map(({ code }) => code)).toEqual(codes)
  })
})
