import type { FilterExchange } from '../../src/filters/filter.ts'

type Request = FilterExchange['request']

/** First value of a header; the pseudo headers of HTTP/2 name parts of the request line. */
export function headerValue(request: Request, name: string): string | null {
  switch (name) {
    case ':path':
      return request.path + request.query
    case ':method':
      return request.method
    case ':authority':
    case 'host':
      return request.authority
    case ':scheme':
      return request.scheme
    default:
      return request.headers.get(name)
  }
}

/** All values joined with a comma: what header matches see. */
export function combinedHeader(request: Request, name: string): string | null {
  return name.startsWith(':') || name === 'host'
    ? headerValue(request, name)
    : request.headers.combined(name)
}

/** First value of a query parameter, percent-decoded; null when absent. */
export function queryValue(query: string, name: string): string | null {
  let start = query.startsWith('?') ? 1 : 0
  while (start < query.length) {
    let end = query.indexOf('&', start)
    if (end < 0) end = query.length
    let equals = query.indexOf('=', start)
    if (equals < 0 || equals > end) equals = end
    if (percentDecoded(query.slice(start, equals)) === name) {
      return percentDecoded(query.slice(equals + 1, Math.max(end, equals + 1)))
    }
    start = end + 1
  }
  return null
}

const ESCAPE = /%([0-9a-fA-F]{2})/g

/** Bytes stay bytes: one latin1 character each. A broken escape is left as it stands. */
function percentDecoded(text: string): string {
  if (!text.includes('%')) return text
  return text.replace(ESCAPE, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}
