import type { ProxiedClient } from '../upstream/proxy-header.ts'
import type { HashKeyPlan } from './plan.ts'

/** What a route asks of the load balancers of its clusters. */
export interface PickPreferences {
  /** What consistent hashing looks at, every key that the request has; null: the cluster's own. */
  readonly hashKeys: readonly HashKeyPlan[] | null
  /** A retry goes to failover levels that were not tried, as long as there are some. */
  readonly remoteRetries: boolean
}

/**
 * What a load balancer may ask about the request it picks an endpoint for. Implemented by the
 * proxy's exchange. Only consistent hashing calls the methods.
 */
export interface PickContext {
  /** Trusted client address, without port. */
  readonly clientAddress: string
  /** Endpoints (`address:port`) that earlier attempts of this exchange used, or null. */
  readonly tried: readonly string[] | null
  /** Of the request's route. Absent or null: the cluster decides everything. */
  readonly preferences?: PickPreferences | null
  /** Whose PROXY header the connection begins with, where it begins with one. Absent: our own. */
  readonly connection?: ProxiedClient
  /** All values of a request header, comma-joined, or null. */
  hashHeader(name: string): string | null
  /** First value of a query parameter, undecoded, or null. */
  hashQuery(name: string): string | null
  /** Value of a request cookie, or null. */
  hashCookie(name: string): string | null
  /** The policy generated a cookie: `set-cookie` value for the response. */
  setCookie(value: string): void
}
