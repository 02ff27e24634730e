import { closest } from '../base/closest.ts'
import { parseDurationMs } from '../base/duration.ts'
import { isMapping } from './mapping.ts'
import { formatPath, type Severity } from './problems.ts'
import { checkEnum, checkNumber, checkText, describe, WRONG, type Checked } from './scalar-shape.ts'
import type { ListSchema, MapSchema, ObjectSchema, Schema } from './schema.ts'
import { fieldWithoutColon, meantField, type OpenObject } from './unknown-field.ts'

type Path = readonly (string | number)[]

/** Where findings go; a Reporter is one. */
export interface ShapeSink {
  report(severity: Severity, code: string, path: Path, message: string, hint: string | null): void
}

export interface ShapeOptions {
  /** Where `value` stands in its document, for paths: `['spec']`. */
  readonly path: Path
  /** Istio's leniency: unknown fields, snake_case names and quoted numbers are warnings. */
  readonly compat: boolean
  /**
   * What an unknown field is: `refuse` an error (compat: a warning), `note` an info (a warning when
   * it looks like a typo), `pass` nothing.
   */
  readonly unknownFields: 'refuse' | 'note' | 'pass'
  /** False keeps values out of messages (Secrets). */
  readonly showValues: boolean
  readonly sink: ShapeSink
}

export interface ShapeResult {
  /** A frozen copy: known fields only, enums in canonical spelling, null and empty lists left out. Its
   * type is the schema's `Infer`. */
  readonly value: unknown
  /** No finding was an error. */
  readonly ok: boolean
}

/** Unknown fields of one value for which a meaning is looked for: that costs more than the check. */
const MAX_HINTS = 50

/** Checks parsed data against a field table. `value` may be used when `ok`; absent data gives null. */
export function checkShape(schema: Schema, value: unknown, options: ShapeOptions): ShapeResult {
  const check = new ShapeCheck(options)
  const checked = check.visit(schema, value, options.path, null)
  const ok = !check.failed
  return { value: checked === WRONG || checked === undefined ? null : checked, ok }
}

/** One walk over one value. `undefined` stands for absent, `WRONG` for reported. */
class ShapeCheck {
  failed = false
  #hints = 0
  readonly options: ShapeOptions

  constructor(options: ShapeOptions) {
    this.options = options
  }

  error(code: string, path: Path, message: string, hint: string | null): typeof WRONG {
    this.failed = true
    this.options.sink.report('error', code, path, message, hint)
    return WRONG
  }

  warning(code: string, path: Path, message: string, hint: string | null): void {
    this.options.sink.report('warning', code, path, message, hint)
  }

  visit(schema: Schema, value: unknown, path: Path, parent: OpenObject | null): Checked {
    if (value === null || value === undefined) return undefined
    if (Array.isArray(value) && value.length === 0 && schema.type !== 'any') return undefined
    if (schema.support === 'refused') {
      const message = `${formatPath(path)} is not supported: ${schema.note ?? 'it has no effect here'}`
      return this.error('refused-field', path, message, 'remove the field')
    }
    if (schema.support === 'ignored') {
      const message = `${formatPath(path)} has no effect: ${schema.note ?? 'it is not used here'}`
      this.warning('ignored-field', path, message, null)
    }
    switch (schema.type) {
      case 'any':
        return value
      case 'object':
        return this.#visitObject(schema, value, path, parent)
      case 'list':
        return this.#visitList(schema, value, path, parent)
      case 'map':
        return this.#visitMap(schema, value, path, parent)
      case 'enum':
        return checkEnum(schema.values, value, path, this)
      case 'integer':
      case 'number':
        return checkNumber(schema.type, value, path, this)
      case 'int-or-string':
        return typeof value === 'string' ? value : checkNumber('integer', value, path, this)
      case 'duration':
        return this.#visitDuration(value, path)
      case 'boolean':
      case 'string':
        return checkText(schema.type, value, path, this)
    }
  }

  #visitDuration(value: unknown, path: Path): Checked {
    if (typeof value === 'string' && parseDurationMs(value) !== null) return value
    const hint =
      typeof value === 'number'
        ? `write \`${value}s\` for seconds`
        : 'write for example `1.5s`, `100ms` or `1h30m`'
    return this.error('bad-duration', path, this.expected('a duration', path, value), hint)
  }

  #visitObject(
    schema: ObjectSchema<Record<string, Schema>>,
    value: unknown,
    path: Path,
    parent: OpenObject | null,
  ): Checked {
    if (!isMapping(value)) {
      const hint = typeof value === 'string' ? fieldWithoutColon(value, schema.fields) : null
      const shown = this.options.showValues ? hint : null
      return this.error('wrong-type', path, this.expected('an object', path, value), shown)
    }
    const open: OpenObject = { fields: schema.fields, value, path, parent }
    const result: Record<string, unknown> = {}
    for (const [name, item] of Object.entries(value)) {
      const field = Object.hasOwn(schema.fields, name) ? schema.fields[name] : undefined
      if (field === undefined) this.#unknownField(name, item, open, result)
      else this.#keep(result, name, this.visit(field, item, [...path, name], open))
    }
    return Object.freeze(result)
  }

  #unknownField(
    name: string,
    item: unknown,
    open: OpenObject,
    result: Record<string, unknown>,
  ): void {
    const { compat, unknownFields } = this.options
    if (unknownFields === 'pass') return
    const path = [...open.path, name]
    if (unknownFields === 'note') {
      const typo = closest(name, Object.keys(open.fields))
      const hint = typo === null ? null : `did you mean \`${typo}\`?`
      const message = `${formatPath(path)} has no effect here`
      this.options.sink.report(
        typo === null ? 'info' : 'warning',
        'unused-field',
        path,
        message,
        hint,
      )
      return
    }
    const meant = this.#hints++ < MAX_HINTS ? meantField(name, open) : null
    const hint = meant === null ? null : `did you mean \`${meant.text}\`?`
    const message = `${formatPath(path)} is not a known field`
    if (!compat) {
      this.error('unknown-field', path, message, hint)
      return
    }
    const alias = meant?.alias ?? null
    const field = alias === null || alias in open.value ? undefined : open.fields[alias]
    if (alias === null || field === undefined) {
      this.warning('unknown-field', path, `${message}: it is ignored`, hint)
      return
    }
    this.warning('snake-case-field', path, `${formatPath(path)} is read as \`${alias}\``, hint)
    this.#keep(result, alias, this.visit(field, item, path, open))
  }

  #visitList(
    schema: ListSchema<Schema>,
    value: unknown,
    path: Path,
    parent: OpenObject | null,
  ): Checked {
    if (!Array.isArray(value)) {
      const hint = 'write each entry on a line of its own that begins with `- `'
      return this.error('wrong-type', path, this.expected('a list', path, value), hint)
    }
    const result: unknown[] = []
    for (const [index, item] of value.entries()) {
      const at = [...path, index]
      if (item === null) {
        this.error('empty-entry', at, `${formatPath(at)} is empty`, 'delete the `-` or fill it in')
        continue
      }
      const checked = this.visit(schema.item, item, at, parent)
      if (checked !== WRONG && checked !== undefined) result.push(checked)
    }
    return Object.freeze(result)
  }

  #visitMap(
    schema: MapSchema<Schema>,
    value: unknown,
    path: Path,
    parent: OpenObject | null,
  ): Checked {
    if (!isMapping(value)) {
      return this.error('wrong-type', path, this.expected('a mapping', path, value), null)
    }
    const result: Record<string, unknown> = Object.create(null)
    for (const [key, item] of Object.entries(value)) {
      const at = [...path, key]
      if (item === null && this.options.unknownFields === 'refuse') {
        const hint =
          schema.value.type === 'string'
            ? 'write `""` for an empty text'
            : 'write `{}` for an empty one'
        this.error('empty-entry', at, `${formatPath(at)} has no value`, hint)
        continue
      }
      this.#keep(result, key, this.visit(schema.value, item, at, parent))
    }
    return Object.freeze(result)
  }

  #keep(result: Record<string, unknown>, name: string, checked: Checked): void {
    if (checked !== WRONG && checked !== undefined) result[name] = checked
  }

  /** `spec.servers[0].port.number must be an integer, got "80"` */
  expected(what: string, path: Path, value: unknown): string {
    return `${formatPath(path) || 'the document'} must be ${what}, got ${describe(value, this.options.showValues)}`
  }
}
