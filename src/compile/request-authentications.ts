import { parseDurationMs } from '../base/duration.ts'
import type {
  JwtRuleSpec,
  RequestAuthenticationSpec,
  TargetReferenceSpec,
} from '../config/kinds/request-authentication.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import type { Resource } from '../config/resource.ts'
import type { Authenticator, AuthenticatorFactory, JwtRule } from '../filters/authenticator.ts'
import type { CompileSettings } from './compile-input.ts'
import type { Findings, Place } from './findings.ts'
import type { ServedGateway } from './gateway/selection.ts'
import { formatLabels, selects } from './labels.ts'

/** Label of the pods of a Kubernetes Gateway. */
const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name'

/** jwtRules[].timeout; Istio's default. */
const DEFAULT_TIMEOUT_MS = 5_000

type RequestAuthentication = Resource<RequestAuthenticationSpec>

/** RequestAuthentications resolved to Gateways. Several that apply at once are one list of rules. */
export class RequestAuthentications {
  readonly #settings: CompileSettings
  readonly #factory: AuthenticatorFactory | null
  readonly #findings: Findings
  readonly #resources: readonly RequestAuthentication[]
  readonly #withheld: ReadonlySet<RequestAuthentication>
  /** Names of Gateways that are served, with those that apply there. */
  readonly #applied = new Map<string, readonly RequestAuthentication[]>()
  /** Listeners with the same rules share what enforces them. */
  readonly #authenticators = new Map<string, Authenticator>()

  /** `factory` null: nothing is enforced, because nothing is served (tests of compilation alone). */
  constructor(
    { requestAuthentications, withheldAuthentications }: ResourceSet,
    factory: AuthenticatorFactory | null,
    settings: CompileSettings,
    findings: Findings,
  ) {
    this.#settings = settings
    this.#factory = factory
    this.#findings = findings
    // Mesh-wide rules come first, as in Istio; lists are by age already.
    const resources = [...requestAuthentications, ...withheldAuthentications]
    this.#withheld = new Set(withheldAuthentications)
    this.#resources = resources.toSorted((a, b) => this.#rank(a) - this.#rank(b))
    factory?.begin()
  }

  /** Finds what applies to the Gateways served, and reports what applies to none. Call once. */
  place(served: readonly ServedGateway[]): void {
    for (const gateway of served) {
      const found = this.#resources.filter((resource) => this.#applies(resource, gateway))
      this.#applied.set(gateway.name, found)
    }
    const used = new Set([...this.#applied.values()].flat())
    for (const resource of this.#resources) {
      if (!used.has(resource)) this.#reportUnused(resource)
      else if (this.#withheld.has(resource)) this.#reportWithheld(resource)
    }
  }

  /** Tokens are validated on one of these Gateways (`namespace/name`). */
  covers(gateways: readonly string[]): boolean {
    return this.#of(gateways).some(({ spec }) => (spec.jwtRules?.length ?? 0) > 0)
  }

  /** For a route table that these Gateways share; null: nobody asks for tokens. */
  for(gateways: readonly string[]): Authenticator | null {
    if (this.#factory === null || !this.covers(gateways)) return null
    const resources = this.#of(gateways)
    const key = resources.map((resource) => this.#resources.indexOf(resource)).join(' ')
    let authenticator = this.#authenticators.get(key)
    if (authenticator === undefined) {
      authenticator = this.#factory.compile(resources.flatMap(rulesOf))
      this.#authenticators.set(key, authenticator)
    }
    return authenticator
  }

  #of(gateways: readonly string[]): readonly RequestAuthentication[] {
    const found = new Set(gateways.flatMap((name) => this.#applied.get(name) ?? []))
    return this.#resources.filter((resource) => found.has(resource))
  }

  #rank({ metadata }: RequestAuthentication): number {
    return metadata.namespace === this.#settings.rootNamespace ? 0 : 1
  }

  #applies(resource: RequestAuthentication, gateway: ServedGateway): boolean {
    const { selector, targetRef, targetRefs = [] } = resource.spec
    const targets = targetRef === undefined ? targetRefs : [targetRef, ...targetRefs]
    const { namespace } = resource.metadata
    if (targets.length > 0) {
      return targets.some((target) => this.#isTarget(target, namespace, gateway))
    }
    if (!this.#reaches(namespace)) return false
    // Where own labels are not known, no selector excludes this process: as with EnvoyFilters.
    if (this.#settings.ownLabels.length === 0) return true
    return gateway.identities.some((labels) => selects(selector?.matchLabels, labels))
  }

  #reaches(namespace: string): boolean {
    return namespace === this.#settings.rootNamespace || namespace === this.#settings.namespace
  }

  #isTarget(target: TargetReferenceSpec, namespace: string, gateway: ServedGateway): boolean {
    const { group = '', kind, name = '' } = target
    if (kind !== 'Gateway') return false
    if (group === 'networking.istio.io') return gateway.name === `${namespace}/${name}`
    if (group !== 'gateway.networking.k8s.io' || !this.#reaches(namespace)) return false
    return gateway.identities.some((labels) => labels[GATEWAY_NAME] === name)
  }

  #reportWithheld(resource: RequestAuthentication): void {
    this.#findings.report(
      'error',
      'request-authentication-withheld',
      { resource, path: [] },
      'RequestAuthentication has errors: until they are mended, tokens that no other one accepts are refused',
      'mend the errors of the resource',
    )
  }

  /** One that this gateway's labels would select but for its namespace is a mistake, others may not be. */
  #reportUnused(resource: RequestAuthentication): void {
    if (this.#applied.size === 0) return
    const { namespace } = resource.metadata
    const { selector, targetRef, targetRefs } = resource.spec
    const hint = `It has to stand in "${this.#settings.namespace}" (the gateway's) or "${this.#settings.rootNamespace}" (the root namespace).`
    if (targetRef !== undefined || targetRefs !== undefined) {
      const path = ['spec', targetRef === undefined ? 'targetRefs' : 'targetRef']
      const place = { resource, path }
      this.#ignored('warning', place, 'no Gateway that is served here is its target', null)
    } else if (!this.#reaches(namespace)) {
      const labels = selector?.matchLabels
      const ours =
        labels !== undefined && this.#settings.ownLabels.some((own) => selects(labels, own))
      const place = { resource, path: ['metadata', 'namespace'] }
      const severity = ours ? 'warning' : 'info'
      this.#ignored(severity, place, `it stands in namespace "${namespace}"`, hint)
    } else {
      const own = this.#settings.ownLabels.map(formatLabels).join(' and ')
      const place = { resource, path: ['spec', 'selector', 'matchLabels'] }
      const message = 'it selects labels this gateway does not carry'
      this.#ignored('info', place, message, `Own labels are ${own} (--labels).`)
    }
  }

  #ignored(severity: 'warning' | 'info', place: Place, why: string, hint: string | null): void {
    const message = `RequestAuthentication does not reach this gateway: ${why}`
    this.#findings.report(severity, 'request-authentication-ignored', place, message, hint)
  }
}

function rulesOf(resource: RequestAuthentication): readonly JwtRule[] {
  return (resource.spec.jwtRules ?? []).map((rule, index) => ruleOf(rule, resource, index))
}

function ruleOf(rule: JwtRuleSpec, resource: RequestAuthentication, index: number): JwtRule {
  const { kind, metadata, location } = resource
  const { namespace, name } = metadata
  const path = ['spec', 'jwtRules', index]
  return {
    issuer: rule.issuer ?? '',
    audiences: rule.audiences ?? [],
    jwks: rule.jwks ?? '',
    jwksUri: rule.jwksUri ?? '',
    timeoutMs: parseDurationMs(rule.timeout ?? '') ?? DEFAULT_TIMEOUT_MS,
    fromHeaders: (rule.fromHeaders ?? []).map((from) => {
      return { name: (from.name ?? '').toLowerCase(), prefix: from.prefix ?? '' }
    }),
    fromParams: rule.fromParams ?? [],
    fromCookies: rule.fromCookies ?? [],
    outputPayloadToHeader: (rule.outputPayloadToHeader ?? '').toLowerCase(),
    outputClaimToHeaders: (rule.outputClaimToHeaders ?? []).map((output) => {
      return { header: (output.header ?? '').toLowerCase(), claim: output.claim ?? '' }
    }),
    forwardOriginalToken: rule.forwardOriginalToken ?? false,
    spaceDelimitedClaims: rule.spaceDelimitedClaims ?? [],
    origin: { kind, namespace, name, path, file: location.file, line: location.lineOf(path) },
  }
}
