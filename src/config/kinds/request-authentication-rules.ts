import { parseDurationMs } from '../../base/duration.ts'
import { isHeaderName } from '../names.ts'
import type { Reporter } from '../reporter.ts'
import type { Resource } from '../resource.ts'
import { checkJwks } from './jwks-rules.ts'
import { checkSelector } from './label-rules.ts'
import { checkPositiveDuration } from './number-rules.ts'
import { Place } from './place.ts'
import type {
  JwtRuleSpec,
  RequestAuthenticationSpec,
  TargetReferenceSpec,
} from './request-authentication.ts'
import type { ValidationOptions } from './validation-options.ts'

/** A token is held against so many rules of one resource. */
const MAX_RULES = 64

const MAX_TIMEOUT_MS = 60_000

/** Groups whose Gateways can be named: Kubernetes', as Istio has it, and the one this gateway serves. */
const GATEWAY_GROUPS: ReadonlySet<string> = new Set([
  'gateway.networking.k8s.io',
  'networking.istio.io',
])

/** Fields that say where a message ends or where it goes: no claim may write them. */
const FRAMING: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'upgrade',
  'te',
  'trailer',
  'expect',
])

/** RequestAuthentication: what the field table cannot see. */
export function validateRequestAuthentication(
  resource: Resource<RequestAuthenticationSpec>,
  reporter: Reporter,
  options: ValidationOptions,
): void {
  const { spec } = resource
  const place = new Place(reporter, options, ['spec'])
  checkTargets(spec, resource.metadata.namespace, place)
  const rules = spec.jwtRules ?? []
  if (rules.length > MAX_RULES) {
    const message = `at most ${MAX_RULES} rules, found ${rules.length}`
    place.at('jwtRules').error('too-many-jwt-rules', message, 'split the resource')
  }
  place.each('jwtRules', rules, checkRule)
  checkHeadersOnce(rules, place)
}

function checkTargets(spec: RequestAuthenticationSpec, namespace: string, place: Place): void {
  const { selector, targetRef, targetRefs } = spec
  const given = [selector, targetRef, targetRefs].filter((one) => one !== undefined)
  if (given.length > 1) {
    const message = 'only one of selector, targetRef and targetRefs may be set'
    place.error('conflicting-fields', message)
  }
  checkSelector(place.at('selector', 'matchLabels'), selector?.matchLabels)
  if (targetRef !== undefined) checkTarget(targetRef, namespace, place.at('targetRef'))
  place.each('targetRefs', targetRefs, (target, at) => checkTarget(target, namespace, at))
}

function checkTarget(target: TargetReferenceSpec, own: string, place: Place): void {
  const { group = '', kind = '', name = '', namespace = '' } = target
  if (kind === '') place.at('kind').error('missing-field', 'kind is required')
  if (name === '') place.at('name').error('missing-field', 'name is required')
  if (namespace !== '' && namespace !== own) {
    place
      .at('namespace')
      .error('invalid-target', 'a target stands in the namespace of the resource', 'leave it out')
  }
  if (kind !== '' && (kind !== 'Gateway' || !GATEWAY_GROUPS.has(group))) {
    place.warning(
      'target-not-a-gateway',
      `${kind}${group === '' ? '' : ` of ${group}`} is not served here: the target is passed over`,
      'name a Gateway of networking.istio.io or gateway.networking.k8s.io',
    )
  }
}

function checkRule(rule: JwtRuleSpec, place: Place): void {
  const { issuer = '', jwks = '', jwksUri = '', timeout } = rule
  if (issuer === '' && jwksUri === '') {
    const message = 'issuer or jwksUri must be non-empty string'
    place.error('missing-field', message, 'write the iss claim of the tokens as issuer')
  }
  if (jwksUri !== '') checkUrl(jwksUri, place.at('jwksUri'))
  if (jwks !== '') checkJwks(jwks, place.at('jwks'))
  if (jwks !== '' && jwksUri !== '') {
    const message = 'jwks and jwksUri are both set: the keys in jwks are used, jwksUri is not asked'
    place.at('jwksUri').warning('jwks-uri-unused', message, 'keep one of them')
  }
  if (issuer !== '' && jwks === '' && jwksUri === '' && !/^https?:\/\//.test(issuer)) {
    place
      .at('issuer')
      .warning(
        'jwt-keys-unknown',
        `"${issuer}" is no URL, so its keys cannot be discovered: every token of it is refused`,
        'add jwksUri or jwks',
      )
  }
  place.each('audiences', rule.audiences, (audience, at) => {
    if (audience === '') at.error('missing-field', 'audience must be non-empty string')
  })
  checkPositiveDuration(place.at('timeout'), timeout)
  const timeoutMs = timeout === undefined ? null : parseDurationMs(timeout)
  if (timeoutMs !== null && timeoutMs > MAX_TIMEOUT_MS) {
    place.at('timeout').error('invalid-duration', 'keys are waited for at most 60s')
  }
  checkPlaces(rule, place)
  checkOutputs(rule, place)
}

function checkUrl(text: string, place: Place): void {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    place.error('invalid-url', `"${text}" is no http or https URL`, 'https://issuer.example/keys')
  } else if (url.username !== '' || url.password !== '') {
    place.error('invalid-url', 'a URL of keys cannot carry credentials', 'remove them')
  } else if (url.protocol === 'http:') {
    place.info(
      'jwks-over-http',
      'keys come over plain HTTP: whoever can change them on their way can sign tokens',
      'use https where the way is not trusted',
    )
  }
}

function checkPlaces(rule: JwtRuleSpec, place: Place): void {
  place.each('fromHeaders', rule.fromHeaders, ({ name = '' }, at) => {
    if (name === '') {
      at.at('name').error('missing-field', 'location header name must be non-empty string')
    } else checkHeaderName(name, at.at('name'))
  })
  for (const field of ['fromParams', 'fromCookies'] as const) {
    const what = field === 'fromParams' ? 'query' : 'cookie'
    place.each(field, rule[field], (name, at) => {
      if (name === '') at.error('missing-field', `location ${what} must be non-empty string`)
    })
  }
}

function checkOutputs(rule: JwtRuleSpec, place: Place): void {
  const { outputPayloadToHeader: payload = '' } = rule
  if (payload !== '') checkOutputName(payload, place.at('outputPayloadToHeader'))
  place.each('outputClaimToHeaders', rule.outputClaimToHeaders, (output, at) => {
    const { header = '', claim = '' } = output
    if (header === '') at.at('header').error('missing-field', 'header must be non-empty string')
    else checkOutputName(header, at.at('header'))
    if (claim === '') at.at('claim').error('missing-field', 'claim must be non-empty string')
  })
  place.each('spaceDelimitedClaims', rule.spaceDelimitedClaims, (claim, at) => {
    if (claim === '') at.error('missing-field', 'claim must be non-empty string')
  })
}

function checkOutputName(name: string, place: Place): void {
  checkHeaderName(name, place)
  if (!FRAMING.has(name.toLowerCase())) return
  place.error('invalid-header-name', `${name} cannot be written from a token`, 'use another name')
}

function checkHeaderName(name: string, place: Place): void {
  if (isHeaderName(name)) return
  place.error('invalid-header-name', `header name "${name}" is not a valid header name`)
}

/** One header that two claims of a rule write would hold either. */
function checkHeadersOnce(rules: readonly JwtRuleSpec[], place: Place): void {
  for (const [index, rule] of rules.entries()) {
    const names = new Set<string>()
    const payload = (rule.outputPayloadToHeader ?? '').toLowerCase()
    if (payload !== '') names.add(payload)
    for (const [at, { header = '' }] of (rule.outputClaimToHeaders ?? []).entries()) {
      const name = header.toLowerCase()
      if (name !== '' && names.has(name)) {
        place
          .at('jwtRules', index, 'outputClaimToHeaders', at, 'header')
          .error('duplicate-output-header', `header ${name} is written twice by one rule`)
      }
      names.add(name)
    }
  }
}
