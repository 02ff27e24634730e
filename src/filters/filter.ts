import type { Claims } from '../base/claims.ts'
import type { Headers } from '../http/headers.ts'
import type { Request } from '../http/request.ts'
import type { LimitReport } from './limit-report.ts'

/** What a filter decided. Small integers: compared once per filter and request. */
export const CONTINUE = 0
/** The filter called `answer`: the chain stops. */
export const ANSWERED = 1
/** The filter waits for something; it calls `resume` or `answer` exactly once later. */
export const WAIT = 2
export type Verdict = typeof CONTINUE | typeof ANSWERED | typeof WAIT

/** What a filter sees of an exchange. Implemented by the proxy's Exchange. */
export interface FilterExchange {
  readonly request: Request
  /** The trusted client address (after x-forwarded-for handling), without port. */
  readonly clientAddress: string
  /** What the client's validated token says; null: it sent none, or none is asked for. */
  readonly claims: Claims | null
  /** The client's connection: only its identity counts. */
  readonly connection: object
  /** `outbound|port|subset|host` of the picked destination, or null for redirects and direct responses. */
  readonly clusterName: string | null
  /** True once the client is gone or the exchange was answered. */
  readonly ended: boolean
  /** Local answer. `flag` is a response flag (`RL`) or '', `details` Envoy's response code details. */
  answer(
    status: number,
    headers: Headers,
    body: string | Buffer,
    flag: string,
    details: string,
  ): void
  /** Continues the chain after WAIT. No effect when `ended`. */
  resume(): void
  /** Adds a field to the final response, local or from upstream. */
  addResponseHeader(name: string, value: string): void
  /** Has the final response head changed, local or from upstream, behind the route's own operations. */
  editResponse(editor: ResponseEditor): void
  /** Shows the head of every answer of the upstream, also of one that is retried. */
  observeUpstream(observer: UpstreamObserver): void
  /** A response flag (`DI`) for the log of a request that may go on. */
  addFlag(flag: string): void
  /** Called before WAIT: told when the exchange ends while the filter still waits. */
  waitWith(waiter: Waiter): void
}

/** What a filter left behind for the response. */
export interface ResponseEditor {
  editResponse(headers: Headers): void
}

/** Hears what an upstream answers, before anything is changed. */
export interface UpstreamObserver {
  /** True: the upstream is not to be asked again now, so there is no retry. */
  upstreamAnswered(status: number, headers: Headers): boolean
}

/** Whatever a waiting filter holds: a timer, a place among the counted. */
export interface Waiter {
  /** The client is gone: everything is to be freed. Neither `resume` nor `answer` follows. */
  exchangeEnded(): void
}

/** One filter compiled for one route. Shared by all exchanges of that route: holds no request state. */
export interface Filter {
  readonly name: string
  onRequest(exchange: FilterExchange): Verdict
  /** Its settings for people (`/config_dump`): plain data without secrets. */
  describe?(): Readonly<Record<string, unknown>>
  /** Its rate limits held against a request; `look`: counters are asked, and never charged. */
  reportLimits?(exchange: FilterExchange, look: boolean): Promise<LimitReport>
}

/** A raw setting from configuration, keys in lowerCamelCase, with where it stands for Problems. */
export interface FilterLayer {
  readonly value: Readonly<Record<string, unknown>>
  readonly origin: SettingOrigin
}

export interface SettingOrigin {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly path: readonly (string | number)[]
  readonly file: string | null
  readonly line: number | null
}

/** All that configuration says to one filter about one route. */
export interface FilterSettings {
  /** The HTTP_FILTER's typed_config, without `@type`; or the factory's `field` of the route's rule. */
  readonly listener: FilterLayer
  /** VIRTUAL_HOST patches that match, in order of application. */
  readonly virtualHost: readonly FilterLayer[]
  /** HTTP_ROUTE patches that match, in order of application. */
  readonly route: readonly FilterLayer[]
  /** The HTTP filter's name: its key in `typedPerFilterConfig`. */
  readonly filterName: string
  /** Stable identities for counters and messages. */
  readonly virtualHostName: string
  readonly routeName: string
  /** Envoy's kind of route: some filters leave redirects and direct responses alone. */
  readonly action: RouteKind
}

export type RouteKind = 'ROUTE' | 'REDIRECT' | 'DIRECT_RESPONSE'

/** Fields of VirtualService.http that a filter of Istio's own chain implements, and RateLimitPolicies. */
export type RuleField = 'fault' | 'corsPolicy' | 'rateLimitPolicies'

/** A condition on one value (bytes, one latin1 character each). */
export interface ValueMatcher {
  matches(value: string): boolean
}

export interface ConfigMapView {
  readonly namespace: string
  readonly name: string
  readonly data: Readonly<Record<string, string>>
  readonly file: string | null
  readonly line: number | null
}

/** An address, or a name that stands for all the addresses it has. */
export interface ServiceAddress {
  readonly host: string
  readonly port: number
}

/** What a factory may look at and say while a snapshot is compiled. Pure: no I/O. */
export interface FilterCompileContext {
  readonly configMaps: readonly ConfigMapView[]
  /** Istio's StringMatch (exact, prefix, regex in linear time); a string says why it cannot be. */
  stringMatcher(match: {
    readonly exact?: string
    readonly prefix?: string
    readonly regex?: string
  }): ValueMatcher | string
  /**
   * Where a service that filters ask is: a cluster that an EnvoyFilter adds, or Istio's
   * `outbound|port|subset|host`. A string says why it cannot be asked.
   */
  findService(clusterName: string): readonly ServiceAddress[] | string
  report(finding: {
    code: string
    severity: 'error' | 'warning' | 'info'
    origin: SettingOrigin
    message: string
    hint: string | null
  }): void
}

/** Turns settings into a filter for one route, or null when there is nothing to do there. */
export interface FilterFactory {
  readonly name: string
  /** `@type` URLs (without `type.googleapis.com/`) of the HTTP filters it implements. */
  readonly typeUrls: readonly string[]
  /** The VirtualService.http field it implements: compiled for every rule that has it. */
  readonly field?: RuleField
  /** Called once before the routes of a compilation. */
  begin?(context: FilterCompileContext): void
  compile(settings: FilterSettings, context: FilterCompileContext): Filter | null
}
