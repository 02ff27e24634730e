import type { PickPreferences } from '../clusters/pick.ts'
import type { Headers } from '../http/headers.ts'
import type { Route } from '../routing/route.ts'

/** What the route asks of load balancers, or null. */
export function routePreferences(route: Route | null): PickPreferences | null {
  return route !== null && route.action.type === 'forward' ? route.action.preferences : null
}

/** First value of query parameter `name`, undecoded, or null. `query` begins with `?` or is empty. */
export function hashQuery(query: string, name: string): string | null {
  let start = 1
  while (start < query.length) {
    let end = query.indexOf('&', start)
    if (end < 0) end = query.length
    const equals = query.indexOf('=', start)
    const nameEnd = equals < 0 || equals > end ? end : equals
    if (nameEnd - start === name.length && query.startsWith(name, start)) {
      return nameEnd === end ? '' : query.slice(nameEnd + 1, end)
    }
    start = end + 1
  }
  return null
}

/** Value of cookie `name` (RFC 6265 4.2), without quotes, or null. */
export function hashCookie(headers: Headers, name: string): string | null {
  const fields = headers.fields
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== 'cookie') continue
    const found = cookieValue(fields[i + 1]!, name)
    if (found !== null) return found
  }
  return null
}

/** Value of cookie `name` that the answer is going to set (fields as name, value, ...), or null. */
export function addedCookie(fields: readonly string[] | null, name: string): string | null {
  if (fields === null) return null
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== 'set-cookie') continue
    const text = fields[i + 1]!
    const end = text.indexOf(';')
    const found = cookieValue(end < 0 ? text : text.slice(0, end), name)
    if (found !== null) return found
  }
  return null
}

function cookieValue(list: string, name: string): string | null {
  let start = 0
  while (start < list.length) {
    let end = list.indexOf(';', start)
    if (end < 0) end = list.length
    while (list.charCodeAt(start) === 32) start++
    if (list.startsWith(name, start) && list.charCodeAt(start + name.length) === 61) {
      const value = list.slice(start + name.length + 1, end)
      return value.length > 1 && value.startsWith('"') && value.endsWith('"')
        ? value.slice(1, -1)
        : value
    }
    start = end + 1
  }
  return null
}
