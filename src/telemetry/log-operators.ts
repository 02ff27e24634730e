import { hostname } from 'node:os'
import type { Operator } from '../base/format-string.ts'
import { compileTimeFormat, isoTimeFormatter } from '../base/time-format.ts'
import type { ClientCertificate } from '../http/exchange.ts'
import type { ExchangeRecord } from '../proxy/exchange-record.ts'
import { escapeValue, MAX_VALUE_LENGTH } from './log-value.ts'

/** A number, text, or null for absent (`-`, JSON null). */
export type LogValue = string | number | null
export type LogReader = (record: ExchangeRecord) => LogValue

/** Reader of a command operator, its text escaped; a string is the reason why there is none. */
export function compileOperator(operator: Operator): LogReader | string {
  const reader = readerOf(operator)
  if (typeof reader === 'string') return reader
  const length = Math.min(operator.maxLength ?? MAX_VALUE_LENGTH, MAX_VALUE_LENGTH)
  return (record) => {
    const value = reader(record)
    return typeof value === 'string' ? escapeValue(value, length) : value
  }
}

function readerOf({ name, argument, text }: Operator): LogReader | string {
  switch (name) {
    case 'START_TIME':
      return readStartTime(argument)
    case 'REQ':
      return argument === null || argument === ''
        ? `${text} needs a header name`
        : eitherOf(argument, readRequestHeader)
    case 'RESP':
      return argument === null || argument === ''
        ? `${text} needs a header name`
        : eitherOf(argument, readResponseHeader)
    case 'GRPC_STATUS':
      return readGrpcStatus(argument ?? 'CAMEL_STRING') ?? `${text}: unknown format`
    default:
      break
  }
  const reader = READERS.get(name)
  if (reader === undefined) return `${text} is not a command operator the access log knows`
  return argument === null ? reader : `${text} takes no argument`
}

/** `A?B`: the first of two headers that is there. */
function eitherOf(argument: string, readerFor: (name: string) => LogReader): LogReader {
  const [first, second] = argument.toLowerCase().split('?')
  const reader = readerFor(first!)
  if (second === undefined) return reader
  const other = readerFor(second)
  return (record) => reader(record) ?? other(record)
}

function readStartTime(argument: string | null): LogReader | string {
  const format =
    argument === null || argument === '' ? isoTimeFormatter() : compileTimeFormat(argument)
  return typeof format === 'string' ? format : (record) => format(record.startedAtMs)
}

/** Empty is absent. */
const text = (value: string | null): string | null => (value === '' ? null : value)

/** The client's path, when rewriting changed it. */
function originalPath(record: ExchangeRecord): string | null {
  const { path, query } = record.request
  return record.originalPath === path + query ? null : text(record.originalPath)
}

/** Fields the record keeps apart from the header list. */
const REQUEST_FIELDS: ReadonlyMap<string, LogReader> = new Map<string, LogReader>([
  [':method', ({ request }) => text(request.method)],
  [':path', ({ request }) => text(request.path + request.query)],
  [':authority', ({ request }) => text(request.authority)],
  [':scheme', ({ request }) => request.scheme],
  ['host', ({ request }) => text(request.authority)],
  ['x-envoy-original-path', originalPath],
  ['x-forwarded-for', (record) => text(record.forwardedFor)],
  ['x-request-id', (record) => text(record.requestId)],
])

function readRequestHeader(name: string): LogReader {
  return REQUEST_FIELDS.get(name) ?? (({ request }) => text(request.headers.get(name)))
}

const upstreamServiceTime: LogReader = ({ upstreamServiceTimeMs: time }) => (time < 0 ? null : time)

function readResponseHeader(name: string): LogReader {
  if (name === 'x-envoy-upstream-service-time') return upstreamServiceTime
  return ({ responseHeaders }) => text(responseHeaders === null ? null : responseHeaders.get(name))
}

const GRPC_NAMES: readonly string[] = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
]

const grpcNumber: LogReader = ({ grpcStatus }) =>
  /^\d{1,9}$/.test(grpcStatus) ? Number(grpcStatus) : null

function readGrpcStatus(format: string): LogReader | null {
  if (format === 'NUMBER') return grpcNumber
  const snake = format === 'SNAKE_STRING'
  if (!snake && format !== 'CAMEL_STRING') return null
  const names = snake
    ? GRPC_NAMES.map((name) => name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase())
    : GRPC_NAMES
  return (record) => {
    const status = grpcNumber(record)
    return status === null ? null : (names[Number(status)] ?? String(status))
  }
}

const hostAndPort = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`

function withoutPort(address: string): string | null {
  if (address === '') return null
  const colon = address.lastIndexOf(':')
  return colon === -1 ? address : address.slice(0, colon).replace(/^\[|\]$/g, '')
}

/** Envoy reports a client address taken from x-forwarded-for with port 0. */
const clientPort = ({ clientAddress, connection }: ExchangeRecord): number =>
  clientAddress === connection.remoteAddress ? connection.remotePort : 0

/** Of the verified certificate of the client. */
function peer(read: (certificate: ClientCertificate) => string): LogReader {
  return ({ connection }) => {
    const certificate = connection.tls === null ? null : connection.tls.clientCertificate
    return certificate === null ? null : text(read(certificate))
  }
}

const READERS: ReadonlyMap<string, LogReader> = new Map<string, LogReader>([
  // Bytes of a TCP server have no request, and so no method.
  ['PROTOCOL', ({ request }) => (request.method === '' ? null : request.protocol)],
  ['RESPONSE_CODE', ({ status }) => status],
  ['RESPONSE_FLAGS', ({ flags }) => (flags === '-' ? null : flags)],
  ['RESPONSE_CODE_DETAILS', ({ details }) => text(details)],
  ['CONNECTION_TERMINATION_DETAILS', () => null],
  // One word, as Envoy prints it: parsers split lines at spaces.
  [
    'UPSTREAM_TRANSPORT_FAILURE_REASON',
    ({ transportFailure }) => text(transportFailure.replaceAll(' ', '_')),
  ],
  ['BYTES_RECEIVED', ({ bytesReceived }) => bytesReceived],
  ['BYTES_SENT', ({ bytesSent }) => bytesSent],
  [
    'DURATION',
    (record) => Math.max(0, Math.floor(record.endedMonotonicMs - record.startedMonotonicMs)),
  ],
  ['UPSTREAM_HOST', ({ upstreamHost }) => text(upstreamHost)],
  ['UPSTREAM_REMOTE_ADDRESS', ({ upstreamHost }) => text(upstreamHost)],
  ['UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', ({ upstreamHost }) => withoutPort(upstreamHost)],
  ['UPSTREAM_CLUSTER', ({ clusterName }) => text(clusterName)],
  ['UPSTREAM_CLUSTER_RAW', ({ clusterName }) => text(clusterName)],
  ['UPSTREAM_LOCAL_ADDRESS', ({ upstreamLocal }) => text(upstreamLocal)],
  ['UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT', ({ upstreamLocal }) => withoutPort(upstreamLocal)],
  [
    'DOWNSTREAM_LOCAL_ADDRESS',
    ({ connection }) => hostAndPort(connection.localAddress, connection.localPort),
  ],
  ['DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT', ({ connection }) => connection.localAddress],
  ['DOWNSTREAM_LOCAL_PORT', ({ connection }) => connection.localPort],
  ['DOWNSTREAM_REMOTE_ADDRESS', (record) => hostAndPort(record.clientAddress, clientPort(record))],
  ['DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', ({ clientAddress }) => text(clientAddress)],
  ['DOWNSTREAM_REMOTE_PORT', (record) => clientPort(record)],
  [
    'DOWNSTREAM_DIRECT_REMOTE_ADDRESS',
    ({ connection }) => hostAndPort(connection.remoteAddress, connection.remotePort),
  ],
  ['DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT', ({ connection }) => connection.remoteAddress],
  ['DOWNSTREAM_DIRECT_REMOTE_PORT', ({ connection }) => connection.remotePort],
  ['DOWNSTREAM_TLS_VERSION', ({ connection }) => text(connection.tls?.protocol ?? null)],
  ['DOWNSTREAM_TLS_CIPHER', ({ connection }) => text(connection.tls?.cipher ?? null)],
  ['DOWNSTREAM_PEER_SUBJECT', peer(({ subject }) => subject)],
  ['DOWNSTREAM_PEER_URI_SAN', peer(({ uriSans }) => uriSans.join(','))],
  ['DOWNSTREAM_PEER_DNS_SAN', peer(({ dnsSans }) => dnsSans.join(','))],
  ['DOWNSTREAM_PEER_FINGERPRINT_256', peer(({ hash }) => hash)],
  ['DOWNSTREAM_LOCAL_URI_SAN', peer(({ ownUri }) => ownUri ?? '')],
  ['REQUESTED_SERVER_NAME', ({ connection }) => text(connection.tls?.serverName ?? null)],
  ['ROUTE_NAME', ({ routeName }) => text(routeName)],
  ['GRPC_STATUS_NUMBER', grpcNumber],
  ['STREAM_ID', ({ requestId }) => text(requestId)],
  ['HOSTNAME', () => HOSTNAME],
])

const HOSTNAME = hostname()
