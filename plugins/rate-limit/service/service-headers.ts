import type { Headers } from '../../../src/filters/headers.ts'
import { isFieldValue } from '../config.ts'

const TOKEN = /^[!#$%&'*+.^_`|~0-9a-zA-Z-]+$/

/** Fields of one connection, of framing or of addressing: a service has no say in them. */
const NOT_ITS_OWN: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Header fields of a service's answer that may be added, names in lower case. Often the list itself. */
export function usableFields(fields: readonly string[]): readonly string[] {
  if (fields.length === 0) return fields
  const usable: string[] = []
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i]!.toLowerCase()
    if (!TOKEN.test(name) || NOT_ITS_OWN.has(name) || !isFieldValue(fields[i + 1]!)) continue
    usable.push(name, fields[i + 1]!)
  }
  return usable
}

/** Appends the fields; content-type takes the place of what is there. */
export function addFields(headers: Headers, fields: readonly string[]): void {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (fields[i] === 'content-type') headers.set('content-type', fields[i + 1]!)
    else headers.add(fields[i]!, fields[i + 1]!)
  }
}
