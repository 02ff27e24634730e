import { isToken } from '../http/field-syntax.ts'
import { splitHostPort } from '../base/host-port.ts'

/** A request to explain, as a person says it. */
export interface ExplainCall {
  readonly method: string
  /** `https://shop.example.com/cart?x=1`; without a scheme `http` is meant. */
  readonly url: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** null: the URL's host when the scheme is https. '': TLS without a server name. */
  readonly sni: string | null
  /** Gateway server port; null: the URL's port, else 80 or 443. */
  readonly port: number | null
  /** Through the egress proxy instead of a Gateway. */
  readonly egress: boolean
  /** Who asks: an IP address, or `namespace/pod`; null: nobody in particular. */
  readonly from: string | null
}

/** A call that makes no sense: what is wrong, and how to say it. */
export class CallProblem {
  readonly message: string
  readonly hint: string

  constructor(message: string, hint: string) {
    this.message = message
    this.hint = hint
  }
}

/** The parts of a URL, taken apart without normalising anything: that is the gateway's work. */
export interface CallUrl {
  readonly scheme: 'http' | 'https'
  /** ws and wss ask for a WebSocket. */
  readonly webSocket: boolean
  /** As a client sends it in Host: without the scheme's own port. */
  readonly authority: string
  /** Lower-case, without port and brackets. */
  readonly host: string
  readonly port: number
  /** Path with query, as written; never empty. */
  readonly target: string
}

const SCHEMES: Readonly<Record<string, 'http' | 'https'>> = {
  http: 'http',
  https: 'https',
  ws: 'http',
  wss: 'https',
}
const URL_HINT = 'write http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH'
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\0-\x1f\x7f]/
const MAX_URL_LENGTH = 65_536

export function parseCallUrl(text: string): CallUrl | CallProblem {
  if (text.length > MAX_URL_LENGTH) return new CallProblem('the URL is too long', URL_HINT)
  if (CONTROL.test(text)) return new CallProblem('the URL holds a control character', URL_HINT)
  const parts = /^(?:([a-z][a-z0-9+.-]*):\/\/)?([^/?#]*)([^#]*)/i.exec(text)
  const written = (parts?.[1] ?? 'http').toLowerCase()
  const scheme = Object.hasOwn(SCHEMES, written) ? SCHEMES[written]! : null
  if (scheme === null) {
    return new CallProblem(`${written}:// is no scheme that a gateway serves`, URL_HINT)
  }
  const authority = parts?.[2] ?? ''
  if (authority === '') return new CallProblem(`"${text}" names no host`, URL_HINT)
  if (authority.includes('@')) {
    const hint = "leave it out, and give -H 'authorization: ...' if the request carries one"
    return new CallProblem('the URL holds a user name', hint)
  }
  const { host, port } = splitHostPort(authority)
  const ownPort = scheme === 'https' ? 443 : 80
  const rest = parts?.[3] ?? ''
  return {
    scheme,
    webSocket: written.startsWith('ws'),
    authority: port === ownPort ? authority.slice(0, authority.lastIndexOf(':')) : authority,
    host,
    port: port ?? ownPort,
    target: rest.startsWith('/') ? rest : `/${rest}`,
  }
}

/** `name: value`, as curl takes it. */
export function parseHeader(text: string): readonly [string, string] | CallProblem {
  const colon = text.indexOf(':')
  const name = text.slice(0, Math.max(colon, 0)).trim()
  const hint = "write -H 'name: value'"
  if (!isToken(name)) return new CallProblem(`"${text}" is not a header`, hint)
  const value = text.slice(colon + 1).trim()
  if (BREAK.test(value)) return notAHeader(name)
  return [name, value]
}

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const BREAK = /[\r\n\0]/

function notAHeader(name: string): CallProblem {
  return new CallProblem(`header "${name}" is malformed`, "write -H 'name: value', on one line")
}

/** A port number as text. */
export function parsePort(text: string): number | CallProblem {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port >= 1 && port <= 65_535) return port
  return new CallProblem(`"${text}" is not a port`, 'give a number from 1 to 65535')
}

/** What is wrong with a call before it is asked, or null. */
export function checkCall(call: ExplainCall): CallProblem | null {
  if (!isToken(call.method)) {
    return new CallProblem(`"${call.method}" is not a method`, 'write GET, POST, CONNECT, ...')
  }
  const bad = call.headers.find(([name, value]) => !isToken(name) || BREAK.test(value))
  if (bad !== undefined) return notAHeader(bad[0])
  if (call.egress && (call.sni !== null || call.port !== null)) {
    return new CallProblem(
      'the egress proxy has no server names and no Gateway ports',
      'leave --sni and --port out: the URL says which port is asked for',
    )
  }
  return null
}
