import { parseFormatString } from '../base/format-string.ts'
import type { ExchangeRecord } from '../proxy/exchange-record.ts'
import { compileOperator, type LogReader } from './log-operators.ts'

/** Istio's default text format. */
export const DEFAULT_TEXT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" ' +
  '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% ' +
  '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ' +
  '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER% ' +
  '%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ' +
  '%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n'

/** Istio's default JSON format. */
export const DEFAULT_JSON_FORMAT: Readonly<Record<string, string>> = {
  start_time: '%START_TIME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  route_name: '%ROUTE_NAME%',
}

/** One record as a line that ends with a line feed. */
export interface LineFormat {
  format(record: ExchangeRecord): string
}

/** MeshConfig accessLogEncoding and accessLogFormat; null formats mean Istio's default. */
export interface AccessLogFormat {
  readonly encoding: 'TEXT' | 'JSON'
  readonly textFormat: string | null
  readonly jsonFormat: Readonly<Record<string, string>> | null
}

export interface CompiledFormat {
  /** Istio's default of the same encoding when there are errors. */
  readonly format: LineFormat
  readonly errors: readonly string[]
}

/** Compiles a log format once; `errors` names what is not understood. */
export function compileFormat(wanted: AccessLogFormat): CompiledFormat {
  return wanted.encoding === 'TEXT'
    ? compileText(wanted.textFormat ?? DEFAULT_TEXT_FORMAT)
    : compileJson(wanted.jsonFormat ?? DEFAULT_JSON_FORMAT)
}

function compileText(text: string): CompiledFormat {
  const parts = compileParts(text.endsWith('\n') ? text : `${text}\n`)
  if (parts.errors.length === 0) return { format: new TextFormat(parts.parts), errors: [] }
  return { format: compileText(DEFAULT_TEXT_FORMAT).format, errors: parts.errors }
}

function compileJson(keys: Readonly<Record<string, string>>): CompiledFormat {
  const errors: string[] = []
  const members: JsonMember[] = []
  for (const [key, format] of Object.entries(keys)) {
    const compiled = compileParts(format)
    errors.push(...compiled.errors.map((error) => `${key}: ${error}`))
    members.push({ key: JSON.stringify(key), parts: compiled.parts })
  }
  if (errors.length === 0) return { format: new JsonFormat(members), errors }
  return { format: compileJson(DEFAULT_JSON_FORMAT).format, errors }
}

type Part = string | LogReader

function compileParts(format: string): { parts: readonly Part[]; errors: readonly string[] } {
  const parsed = parseFormatString(format)
  if (typeof parsed === 'string') return { parts: [], errors: [parsed] }
  const parts: Part[] = []
  const errors: string[] = []
  for (const part of parsed) {
    if (typeof part === 'string') {
      parts.push(part)
      continue
    }
    const reader = compileOperator(part)
    if (typeof reader === 'string') errors.push(reader)
    else parts.push(reader)
  }
  return { parts, errors }
}

function join(parts: readonly Part[], record: ExchangeRecord): string {
  let line = ''
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!
    line += typeof part === 'string' ? part : (part(record) ?? '-')
  }
  return line
}

class TextFormat implements LineFormat {
  readonly #parts: readonly Part[]

  constructor(parts: readonly Part[]) {
    this.#parts = parts
  }

  format(record: ExchangeRecord): string {
    return join(this.#parts, record)
  }
}

interface JsonMember {
  /** Quoted. */
  readonly key: string
  readonly parts: readonly Part[]
}

/** A value that is one operator keeps its type: numbers stay numbers, absent is null. */
class JsonFormat implements LineFormat {
  readonly #members: readonly JsonMember[]

  constructor(members: readonly JsonMember[]) {
    this.#members = members.map(({ key, parts }) => ({
      key,
      parts: parts.map((part) =>
        typeof part === 'string' ? JSON.stringify(part).slice(1, -1) : part,
      ),
    }))
  }

  format(record: ExchangeRecord): string {
    let line = '{'
    for (let i = 0; i < this.#members.length; i++) {
      const { key, parts } = this.#members[i]!
      line += `${i === 0 ? '' : ','}${key}:${jsonValue(parts, record)}`
    }
    return `${line}}\n`
  }
}

function jsonValue(parts: readonly Part[], record: ExchangeRecord): string {
  const only = parts.length === 1 ? parts[0]! : null
  if (only === null || typeof only === 'string') return `"${join(parts, record)}"`
  const value = only(record)
  if (value === null) return 'null'
  return typeof value === 'number' ? String(value) : `"${value}"`
}
