import { hash } from 'node:crypto'
import { SecretText } from './secret-text.ts'

/**
 * SHA-256 (hex) of a value's canonical form: equal for equal data whatever the order of object keys,
 * Map entries and Set members; `undefined` fields count as absent. A SecretText counts by what it
 * hides. Plain data only: an instance of a class may hide state, so it is a TypeError.
 */
export function canonicalDigest(value: unknown): string {
  return hash('sha256', canonicalText(value))
}

function canonicalText(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value)
    case 'bigint':
      return `${value}n`
    case 'object':
      return value === null ? 'null' : canonicalObject(value)
    default:
      throw new TypeError(`a ${typeof value} has no digest`)
  }
}

function canonicalObject(value: object): string {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`
  if (value instanceof SecretText) return `secret(${JSON.stringify(value.reveal())})`
  if (value instanceof Uint8Array) return `bytes(${hash('sha256', value)})`
  if (value instanceof Map) {
    const entries = Array.from(
      value,
      ([key, item]) => `${canonicalText(key)}:${canonicalText(item)}`,
    )
    return `map{${entries.sort().join(',')}}`
  }
  if (value instanceof Set) return `set{${Array.from(value, canonicalText).sort().join(',')}}`
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(`an instance of ${value.constructor.name} has no digest`)
  }
  const fields: string[] = []
  for (const [key, item] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (item !== undefined) fields.push(`${JSON.stringify(key)}:${canonicalText(item)}`)
  }
  return `{${fields.join(',')}}`
}
