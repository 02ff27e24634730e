import { type Operator, parseFormatString } from '../base/format-string.ts'
import { compileTimeFormat, isoTimeFormatter } from '../base/time-format.ts'
import type { DownstreamConnection } from '../http/exchange.ts'
import type { Headers } from '../http/headers.ts'
import type { Request } from '../http/request.ts'
import { toBytes } from '../base/latin1.ts'
import { RequestField } from './request-field.ts'

/** What command operators in header values may read. The proxy's Exchange is one. */
export interface SubstitutionContext {
  readonly request: Request
  readonly connection: DownstreamConnection
  /** Trusted client address, without port. */
  readonly clientAddress: string
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number
  readonly requestId: string
  readonly routeName: string
  readonly clusterName: string
  /** `address:port`, or ''. */
  readonly upstreamHost: string
  readonly upstreamLocal: string
  /** 0 before there is an answer. */
  readonly status: number
  readonly flags: string
  readonly details: string
  /** Path with query as the client sent it. */
  readonly originalPath: string
  readonly responseHeaders: Headers | null
}

/** One piece of a header value; '' for what the exchange does not have. */
export type ValuePart = string | ((context: SubstitutionContext) => string)

/**
 * Splits a header value of configuration into literal bytes and readers. A string is the reason
 * why it cannot be compiled.
 */
export function compileSubstitution(value: string): readonly ValuePart[] | string {
  const parsed = parseFormatString(value)
  if (typeof parsed === 'string') return parsed
  const parts: ValuePart[] = []
  for (const part of parsed) {
    if (typeof part === 'string') {
      parts.push(toBytes(part))
      continue
    }
    const reader = compileOperator(part)
    if (typeof reader === 'string') return reader
    const length = part.maxLength
    parts.push(length === null ? reader : (context) => reader(context).slice(0, length))
  }
  return parts
}

type Reader = (context: SubstitutionContext) => string

function compileOperator(operator: Operator): Reader | string {
  const { name, argument } = operator
  if (name === 'START_TIME') {
    return readStartTime(argument)
  }
  const withHeader = HEADER_READERS.get(name)
  if (withHeader !== undefined) {
    if (argument === null || argument === '') return `${operator.text} needs a header name`
    return withHeader(argument)
  }
  const reader = READERS.get(name)
  if (reader === undefined)
    return `${operator.text} is not a command operator that header values know`
  return argument === null ? reader : `${operator.text} takes no argument`
}

function readStartTime(argument: string | null): Reader | string {
  const format =
    argument === null || argument === '' ? isoTimeFormatter() : compileTimeFormat(argument)
  return typeof format === 'string' ? format : (context) => format(context.startedAtMs)
}

/** `A?B`: the first of two headers that is there. Of repeated lines the first, as Envoy's REQ. */
function readRequestField(argument: string): Reader {
  const [first, second] = argument.split('?')
  const field = new RequestField(first!)
  const other = second === undefined ? null : new RequestField(second)
  return ({ request }) =>
    field.readFirst(request) ?? (other === null ? null : other.readFirst(request)) ?? ''
}

function readResponseField(argument: string): Reader {
  const [first, second] = argument.toLowerCase().split('?')
  return ({ responseHeaders: headers }) => {
    if (headers === null) return ''
    return headers.get(first!) ?? (second === undefined ? null : headers.get(second)) ?? ''
  }
}

const HEADER_READERS: ReadonlyMap<string, (argument: string) => Reader> = new Map([
  ['REQ', readRequestField],
  ['RESP', readResponseField],
])

const hostAndPort = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`

/** Envoy reports a client address taken from x-forwarded-for with port 0. */
const clientPort = ({ clientAddress, connection }: SubstitutionContext): number =>
  clientAddress === connection.remoteAddress ? connection.remotePort : 0

function withoutPort(address: string): string {
  const colon = address.lastIndexOf(':')
  return colon === -1 ? address : address.slice(0, colon).replace(/^\[|\]$/g, '')
}

const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  [
    'DOWNSTREAM_REMOTE_ADDRESS',
    (context) => hostAndPort(context.clientAddress, clientPort(context)),
  ],
  ['DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', (context) => context.clientAddress],
  ['DOWNSTREAM_REMOTE_PORT', (context) => String(clientPort(context))],
  [
    'DOWNSTREAM_DIRECT_REMOTE_ADDRESS',
    ({ connection }) => hostAndPort(connection.remoteAddress, connection.remotePort),
  ],
  ['DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT', ({ connection }) => connection.remoteAddress],
  ['DOWNSTREAM_DIRECT_REMOTE_PORT', ({ connection }) => String(connection.remotePort)],
  [
    'DOWNSTREAM_LOCAL_ADDRESS',
    ({ connection }) => hostAndPort(connection.localAddress, connection.localPort),
  ],
  ['DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT', ({ connection }) => connection.localAddress],
  ['DOWNSTREAM_LOCAL_PORT', ({ connection }) => String(connection.localPort)],
  ['DOWNSTREAM_TLS_VERSION', ({ connection }) => connection.tls?.protocol ?? ''],
  ['DOWNSTREAM_TLS_CIPHER', ({ connection }) => connection.tls?.cipher ?? ''],
  ['REQUESTED_SERVER_NAME', ({ connection }) => connection.tls?.serverName ?? ''],
  ['PROTOCOL', ({ request }) => request.protocol],
  ['REQUEST_ID', (context) => context.requestId],
  ['STREAM_ID', (context) => context.requestId],
  ['ROUTE_NAME', (context) => context.routeName],
  ['UPSTREAM_CLUSTER', (context) => context.clusterName],
  ['UPSTREAM_CLUSTER_RAW', (context) => context.clusterName],
  ['UPSTREAM_HOST', (context) => context.upstreamHost],
  ['UPSTREAM_REMOTE_ADDRESS', (context) => context.upstreamHost],
  ['UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', (context) => withoutPort(context.upstreamHost)],
  ['UPSTREAM_LOCAL_ADDRESS', (context) => context.upstreamLocal],
  ['UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT', (context) => withoutPort(context.upstreamLocal)],
  ['RESPONSE_CODE', (context) => (context.status === 0 ? '' : String(context.status))],
  ['RESPONSE_FLAGS', (context) => (context.flags === '-' ? '' : context.flags)],
  ['RESPONSE_CODE_DETAILS', (context) => context.details],
])
