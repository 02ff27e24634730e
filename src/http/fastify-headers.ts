import type { DownstreamExchange } from './exchange.ts'
import { isFieldValue, isToken } from './field-syntax.ts'
import { isConnectionSpecific } from './h2-fields.ts'
import { type Request, UNKNOWN_LENGTH } from './request.ts'

/** Node's header map: repeated names joined, no prototype. Plugins may write what they like into it. */
export type NodeHeaders = Record<string, string | number | readonly string[] | undefined>

/** For requests that no plugin looks at. With a prototype: the engine is slower to find nothing without. */
export const NO_NODE_HEADERS: NodeHeaders = Object.freeze({})

/** Header fields as Node lists them (`rawHeaders`), with those of the framing put back. */
export function headerList(exchange: DownstreamExchange): string[] {
  const request = exchange.request
  const list = ['host', request.authority]
  const fields = request.headers.fields
  for (let i = 0; i < fields.length; i++) list.push(fields[i]!)
  if (request.bodyLength > 0) list.push('content-length', String(request.bodyLength))
  else if (request.bodyLength === UNKNOWN_LENGTH && request.protocol !== 'HTTP/2') {
    list.push('transfer-encoding', 'chunked')
  }
  if (request.upgrade !== null) list.push('connection', 'upgrade', 'upgrade', request.upgrade)
  return list
}

/** A flat name, value list as a map. */
export function headerMap(list: readonly string[]): Record<string, string> {
  const map = Object.create(null) as Record<string, string>
  for (let i = 0; i + 1 < list.length; i += 2) {
    const name = list[i]!
    const before = map[name]
    const separator = name === 'cookie' ? '; ' : ', '
    map[name] = before === undefined ? list[i + 1]! : before + separator + list[i + 1]!
  }
  return map
}

/**
 * Takes over what plugins set or deleted in the header map, before the request is routed. Host and
 * the framing stay as they are. Throws for a field that is not clean.
 */
export function adoptHeaders(request: Request, list: readonly string[], map: NodeHeaders): void {
  if (isUnchanged(list, map)) return
  const headers = request.headers
  const before = headerMap(headers.fields)
  for (const name of Object.keys(before)) if (map[name] === undefined) headers.remove(name)
  for (const [key, value] of Object.entries(map)) {
    const name = key.toLowerCase()
    if (value === undefined || value === before[name] || isFixed(name)) continue
    headers.remove(name)
    for (const each of typeof value === 'object' ? value : [String(value)]) {
      checkField(name, each)
      headers.add(name, each)
    }
  }
}

function isUnchanged(list: readonly string[], map: NodeHeaders): boolean {
  for (let i = 0; i < list.length; i += 2) if (map[list[i]!] !== list[i + 1]) return false
  return Object.keys(map).length * 2 === list.length
}

function isFixed(name: string): boolean {
  switch (name) {
    case 'host':
    case 'content-length':
    case 'te':
    case 'expect':
      return true
    default:
      return isConnectionSpecific(name)
  }
}

/** Throws what Node throws for a field that could split a message. */
export function checkField(name: string, value: unknown): void {
  if (isToken(name) && typeof value === 'string' && isFieldValue(value)) return
  throw Object.assign(new TypeError(`Invalid character in header content ["${name}"]`), {
    code: 'ERR_INVALID_CHAR',
  })
}
