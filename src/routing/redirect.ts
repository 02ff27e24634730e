import type { Request } from '../http/request.ts'
import { encodeUnsafe, toBytes } from '../base/latin1.ts'
import type { RouteMatch } from './route-match.ts'

/** Istio HTTPRedirect.derivePort */
export type DerivedPort = 'FROM_PROTOCOL_DEFAULT' | 'FROM_REQUEST_PORT'

export interface RedirectInit {
  /** 301, 302, 303, 307 or 308. */
  readonly status: number
  /** Replaces the whole path; with a `?` in it also the query. */
  readonly uri: string | null
  /** Replaces the matched prefix. */
  readonly prefixRewrite: string | null
  readonly authority: string | null
  readonly port: number | null
  readonly derivePort: DerivedPort | null
  readonly scheme: 'http' | 'https' | null
}

/** Where a redirect route sends the client. */
export class RedirectPlan {
  readonly status: number
  readonly uri: string | null
  readonly prefixRewrite: string | null
  readonly authority: string | null
  readonly port: number | null
  readonly derivePort: DerivedPort | null
  readonly scheme: 'http' | 'https' | null

  constructor(init: RedirectInit) {
    this.status = init.status
    this.uri = init.uri === null ? null : rooted(encodeUnsafe(toBytes(init.uri)))
    this.prefixRewrite =
      init.prefixRewrite === null ? null : encodeUnsafe(toBytes(init.prefixRewrite))
    this.authority = init.authority === null ? null : encodeUnsafe(toBytes(init.authority))
    this.port = init.port
    this.derivePort = init.derivePort
    this.scheme = init.scheme
  }

  /** Absolute URL for `location`. `gatewayPort`: the Gateway server's number, not the socket's. */
  location(request: Request, gatewayPort: number, match: RouteMatch | null): string {
    const scheme = this.scheme ?? request.scheme
    const authority = this.#authority(request, scheme, gatewayPort)
    return `${scheme}://${authority}${this.#target(request, match)}`
  }

  #authority(request: Request, scheme: string, gatewayPort: number): string {
    const port = this.derivePort === 'FROM_REQUEST_PORT' ? gatewayPort : this.port
    const given = this.authority ?? request.authority
    if (port !== null) return withPort(withoutPort(given), port, scheme)
    if (this.authority !== null) return this.authority
    if (this.derivePort === 'FROM_PROTOCOL_DEFAULT') return withoutPort(given)
    return withoutDefaultPort(given, request.scheme, scheme)
  }

  #target(request: Request, match: RouteMatch | null): string {
    if (this.uri !== null) return this.uri.includes('?') ? this.uri : this.uri + request.query
    if (this.prefixRewrite === null) return request.path + request.query
    const kept = request.path.slice(match === null ? 1 : match.prefixLength)
    return rooted(this.prefixRewrite + kept) + request.query
  }
}

/** `location` of a Gateway server's tls.httpsRedirect: same host without port, path and query. */
export function httpsLocation(request: Request): string {
  return `https://${withoutPort(request.authority)}${request.path}${request.query}`
}

/** Without a slash the text would continue the host name. */
function rooted(path: string): string {
  return path.startsWith('/') ? path : `/${path}`
}

function withPort(host: string, port: number, scheme: string): string {
  return port === defaultPort(scheme) ? host : `${host}:${port}`
}

function withoutPort(authority: string): string {
  const start = portStart(authority)
  return start === -1 ? authority : authority.slice(0, start)
}

/** Drops a port that the new scheme implies, or that the old scheme implied when it changes. */
function withoutDefaultPort(authority: string, oldScheme: string, newScheme: string): string {
  const start = portStart(authority)
  if (start === -1) return authority
  const port = Number(authority.slice(start + 1))
  const dropped = port === defaultPort(newScheme) || port === defaultPort(oldScheme)
  return dropped ? authority.slice(0, start) : authority
}

/** Index of the colon before the port, or -1. */
function portStart(authority: string): number {
  const colon = authority.lastIndexOf(':')
  return colon > authority.lastIndexOf(']') ? colon : -1
}

function defaultPort(scheme: string): number {
  return scheme === 'https' ? 443 : 80
}
