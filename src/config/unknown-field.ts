import { closest } from '../base/closest.ts'
import { formatPath } from './problems.ts'
import type { Fields, Schema } from './schema.ts'

/** An object being checked, with the objects around it. */
export interface OpenObject {
  readonly fields: Fields
  readonly value: Readonly<Record<string, unknown>>
  readonly path: readonly (string | number)[]
  readonly parent: OpenObject | null
}

export interface MeantField {
  /** How the hint names it: `maxConnections`, `ports[0].name`. */
  readonly text: string
  /** The field of the same object that the word is another spelling of, or null. */
  readonly alias: string | null
}

/** How far below an object a misplaced field is looked for. */
const MAX_SEARCH_DEPTH = 3

/**
 * What an unknown field most likely meant: another spelling (`max_connections`), a field of the list
 * entry above it that lost its indentation (`ports[0].name`), a typo, or a field of an object around
 * or below.
 */
export function meantField(name: string, open: OpenObject): MeantField | null {
  const alias = camelCased(name)
  if (alias !== name && Object.hasOwn(open.fields, alias)) return { text: alias, alias }
  const dedented = lostIndentation(name, open)
  if (dedented !== null) return { text: dedented, alias: null }
  const typo = closest(name, Object.keys(open.fields))
  if (typo !== null) return { text: typo, alias: null }
  const text = fieldAround(name, open) ?? fieldBelow(name, open.fields)
  return text === null ? null : { text, alias: null }
}

/** `name http` where an object was wanted: `write name: http`. */
export function fieldWithoutColon(text: string, fields: Fields): string | null {
  const match = /^([A-Za-z]\w*)[\s:]+(\S+)$/.exec(text)
  if (match === null || match[1] === undefined || !Object.hasOwn(fields, match[1])) return null
  return `write \`${match[1]}: ${match[2]}\``
}

function camelCased(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

function lostIndentation(name: string, open: OpenObject): string | null {
  let found: string | null = null
  for (const sibling in open.value) {
    const value = open.value[sibling]
    if (sibling === name) return found
    const schema = Object.hasOwn(open.fields, sibling) ? open.fields[sibling] : undefined
    if (schema?.type !== 'list' || !Array.isArray(value)) continue
    const item: Schema = schema.item
    const index = value.length - 1
    const last: unknown = value[index]
    if (item.type !== 'object' || typeof last !== 'object' || last === null) continue
    if (Object.hasOwn(item.fields, name) && !Object.hasOwn(last, name))
      found = `${sibling}[${index}].${name}`
  }
  return found
}

function fieldAround(name: string, open: OpenObject): string | null {
  for (let around = open.parent; around !== null; around = around.parent) {
    if (Object.hasOwn(around.fields, name)) return formatPath([...around.path, name])
  }
  return null
}

/** Breadth first, and only when one place is meant. */
function fieldBelow(name: string, fields: Fields): string | null {
  let level: { path: string; fields: Fields }[] = [{ path: '', fields }]
  for (let depth = 0; depth < MAX_SEARCH_DEPTH; depth++) {
    const next: { path: string; fields: Fields }[] = []
    for (const above of level) {
      for (const [field, schema] of Object.entries(above.fields)) {
        const inner = objectFields(schema)
        if (inner !== null)
          next.push({
            path: `${above.path}${field}${schema.type === 'list' ? '[]' : ''}.`,
            fields: inner,
          })
      }
    }
    const hits = next.filter((candidate) => Object.hasOwn(candidate.fields, name))
    if (hits.length > 0)
      return hits.length === 1 && hits[0] !== undefined ? `${hits[0].path}${name}` : null
    level = next
  }
  return null
}

function objectFields(schema: Schema): Fields | null {
  const inner: Schema = schema.type === 'list' ? schema.item : schema
  return inner.type === 'object' ? inner.fields : null
}
