import { CallProblem, type ExplainCall, parseHeader, parsePort } from './call.ts'

/** Query parameters as the admin API's parser gives them. */
type Query = Readonly<Record<string, string | string[] | undefined>>

const NAMES = ['method', 'url', 'header', 'sni', 'port', 'egress', 'from', 'format'] as const
const FORMATS = ['json', 'text']
const USAGE =
  'ask /explain?method=GET&url=http://HOST/PATH, with header=NAME:VALUE (repeatable), sni, port, egress, from'
const MAX_HEADERS = 200

/** Reads GET /explain's query into a call. */
export function callOfQuery(query: Query): ExplainCall | CallProblem {
  for (const name of Object.keys(query)) {
    if (!NAMES.some((known) => known === name)) {
      return new CallProblem(`there is no parameter ${name}`, USAGE)
    }
  }
  for (const name of NAMES) {
    if (name !== 'header' && allOf(query, name).length > 1) {
      return new CallProblem(`${name} is given twice`, USAGE)
    }
  }
  const url = one(query, 'url')
  if (url === null || url === '') return new CallProblem('url is missing', USAGE)
  const format = one(query, 'format')
  if (format !== null && !FORMATS.includes(format)) {
    return new CallProblem(`format ${format} is not known`, 'choose json or text')
  }
  const headers = headersOf(allOf(query, 'header'))
  if (headers instanceof CallProblem) return headers
  const written = one(query, 'port')
  const port = written === null ? null : parsePort(written)
  if (port instanceof CallProblem) return port
  const egress = flag(one(query, 'egress'))
  if (egress instanceof CallProblem) return egress
  return {
    method: one(query, 'method') ?? 'GET',
    url,
    headers,
    sni: one(query, 'sni'),
    port,
    egress,
    from: one(query, 'from'),
  }
}

/** A call as the query that callOfQuery reads, with its `?`. */
export function queryOfCall(call: ExplainCall): string {
  const query = new URLSearchParams({ method: call.method, url: call.url })
  for (const [name, value] of call.headers) query.append('header', `${name}: ${value}`)
  if (call.sni !== null) query.set('sni', call.sni)
  if (call.port !== null) query.set('port', String(call.port))
  if (call.egress) query.set('egress', 'true')
  if (call.from !== null) query.set('from', call.from)
  return `?${query.toString()}`
}

/** Headers as written, `name: value` each. */
export function headersOf(
  written: readonly string[],
): readonly (readonly [string, string])[] | CallProblem {
  if (written.length > MAX_HEADERS) {
    return new CallProblem('there are too many headers', `give at most ${MAX_HEADERS}`)
  }
  const headers: (readonly [string, string])[] = []
  for (const text of written) {
    const header = parseHeader(text)
    if (header instanceof CallProblem) return header
    headers.push(header)
  }
  return headers
}

function flag(text: string | null): boolean | CallProblem {
  if (text === null || text === 'false' || text === '0') return false
  if (text === '' || text === 'true' || text === '1') return true
  return new CallProblem(`egress=${text} is neither true nor false`, 'write egress=true')
}

function allOf(query: Query, name: string): readonly string[] {
  const value = Object.hasOwn(query, name) ? query[name] : undefined
  if (value === undefined) return []
  return Array.isArray(value) ? value : [value]
}

function one(query: Query, name: string): string | null {
  return allOf(query, name)[0] ?? null
}
