import { isIP } from 'node:net'
import { Cidr } from '../../src/base/cidr.ts'
import type { FilterExchange } from '../../src/filters/filter.ts'
import type { RequestMatcher } from './header-match.ts'
import { headerValue, queryValue } from './request-values.ts'

/** What an action said about a request: it added an entry (or nothing), or it voids the descriptor. */
type ActionOutcome = boolean

/** One action of a `rate_limits` entry (Envoy RateLimit.Action). */
export interface Action {
  /** Descriptor key of the entry it makes. */
  readonly key: string
  /** The value when it is the same for every request, else null. */
  readonly fixedValue: string | null
  /** It may leave its entry out and the descriptor still counts. */
  readonly optional: boolean
  /** What is the case when it makes no entry, for people: `header x-user is missing`. */
  readonly absence: string
  /** Appends key and value to `entries`; false voids the whole descriptor. */
  append(exchange: FilterExchange, entries: string[]): ActionOutcome
}

export class RequestHeaderAction implements Action {
  readonly key: string
  readonly fixedValue = null
  readonly optional: boolean
  readonly absence: string
  readonly #header: string

  constructor(key: string, header: string, optional: boolean) {
    this.key = key
    this.absence = `header ${header} is missing`
    this.#header = header.toLowerCase()
    this.optional = optional
  }

  append(exchange: FilterExchange, entries: string[]): ActionOutcome {
    const value = headerValue(exchange.request, this.#header)
    if (value === null) return this.optional
    entries.push(this.key, value)
    return true
  }
}

export class QueryParameterAction implements Action {
  readonly key: string
  readonly fixedValue = null
  readonly optional: boolean
  readonly absence: string
  readonly #parameter: string

  constructor(key: string, parameter: string, optional: boolean) {
    this.key = key
    this.absence = `query parameter ${parameter} is missing`
    this.#parameter = parameter
    this.optional = optional
  }

  append(exchange: FilterExchange, entries: string[]): ActionOutcome {
    const value = queryValue(exchange.request.query, this.#parameter)
    if (value === null) return this.optional
    entries.push(this.key, value)
    return true
  }
}

const NO_ADDRESS = 'the client has no IP address'

export class RemoteAddressAction implements Action {
  readonly key = 'remote_address'
  readonly fixedValue = null
  readonly optional = false
  readonly absence = NO_ADDRESS

  append(exchange: FilterExchange, entries: string[]): ActionOutcome {
    if (isIP(exchange.clientAddress) === 0) return false
    entries.push(this.key, exchange.clientAddress)
    return true
  }
}

export class MaskedRemoteAddressAction implements Action {
  readonly key = 'masked_remote_address'
  readonly fixedValue = null
  readonly optional = false
  readonly absence = NO_ADDRESS
  readonly #v4Suffix: string
  readonly #v6Suffix: string

  /** Prefix lengths in bits. */
  constructor(v4Length: number, v6Length: number) {
    this.#v4Suffix = `/${v4Length}`
    this.#v6Suffix = `/${v6Length}`
  }

  append(exchange: FilterExchange, entries: string[]): ActionOutcome {
    const address = exchange.clientAddress
    const family = isIP(address)
    if (family === 0) return false
    const block = Cidr.parse(address + (family === 4 ? this.#v4Suffix : this.#v6Suffix))
    if (block === null) return false
    entries.push(this.key, block.toString())
    return true
  }
}

export class GenericKeyAction implements Action {
  readonly key: string
  readonly fixedValue: string
  readonly optional = false
  readonly absence = ''

  constructor(key: string, value: string) {
    this.key = key
    this.fixedValue = value
  }

  append(_exchange: FilterExchange, entries: string[]): ActionOutcome {
    entries.push(this.key, this.fixedValue)
    return true
  }
}

/** An optional value that is never there. */
export class AbsentAction implements Action {
  readonly key: string
  readonly fixedValue = null
  readonly optional = true
  readonly absence: string

  constructor(key: string) {
    this.key = key
    this.absence = `there is no metadata for ${key}`
  }

  append(): ActionOutcome {
    return true
  }
}

export class DestinationClusterAction implements Action {
  readonly key = 'destination_cluster'
  readonly fixedValue = null
  readonly optional = false
  readonly absence = 'the request has no destination cluster'

  append(exchange: FilterExchange, entries: string[]): ActionOutcome {
    if (exchange.clusterName === null) return false
    entries.push(this.key, exchange.clusterName)
    return true
  }
}

/** header_value_match and query_parameter_value_match: a fixed entry while all conditions hold. */
export class MatchAction implements Action {
  readonly key: string
  readonly fixedValue: string
  readonly optional = false
  readonly absence: string
  readonly #matchers: readonly RequestMatcher[]
  readonly #expected: boolean

  constructor(key: string, value: string, matchers: readonly RequestMatcher[], expected: boolean) {
    this.key = key
    this.fixedValue = value
    this.absence = expected
      ? `its conditions do not all hold (${key}=${value})`
      : `its conditions all hold, and expect_match is false (${key}=${value})`
    this.#matchers = matchers
    this.#expected = expected
  }

  append(exchange: FilterExchange, entries: string[]): ActionOutcome {
    if (this.#allMatch(exchange) !== this.#expected) return false
    entries.push(this.key, this.fixedValue)
    return true
  }

  #allMatch(exchange: FilterExchange): boolean {
    for (const matcher of this.#matchers) if (!matcher.matches(exchange.request)) return false
    return true
  }
}
