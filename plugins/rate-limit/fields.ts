import { parseDurationMs } from '../../src/base/duration.ts'
import type { FilterCompileContext, SettingOrigin } from '../../src/filters/filter.ts'

type Path = readonly (string | number)[]

/** Says what is wrong in one layer of settings. */
export class Findings {
  readonly #context: FilterCompileContext
  readonly #origin: SettingOrigin
  /** Errors reported so far: what was read while it grew must not be used. */
  errors = 0

  constructor(context: FilterCompileContext, origin: SettingOrigin) {
    this.#context = context
    this.#origin = origin
  }

  /** Where the setting at `path` of this layer stands. */
  originOf(path: Path): SettingOrigin {
    return { ...this.#origin, path: [...this.#origin.path, ...path] }
  }

  error(path: Path, message: string, hint: string | null = null): void {
    this.errors++
    this.#report('error', 'rate-limit-invalid', path, message, hint)
  }

  unsupported(path: Path, message: string, hint: string | null = null): void {
    this.#report('warning', 'rate-limit-not-supported', path, message, hint)
  }

  warning(code: string, path: Path, message: string, hint: string | null = null): void {
    this.#report('warning', code, path, message, hint)
  }

  #report(
    severity: 'error' | 'warning',
    code: string,
    path: Path,
    message: string,
    hint: string | null,
  ): void {
    this.#context.report({ code, severity, origin: this.originOf(path), message, hint })
  }
}

type JsonObject = Readonly<Record<string, unknown>>

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Typed reading of a message in protobuf JSON with lowerCamelCase names. Absent fields give null. */
export class Fields {
  readonly path: Path
  readonly findings: Findings
  readonly #value: JsonObject

  constructor(value: JsonObject, path: Path, findings: Findings) {
    this.#value = value
    this.path = path
    this.findings = findings
  }

  get names(): readonly string[] {
    return Object.keys(this.#value)
  }

  has(name: string): boolean {
    return this.#value[name] !== undefined && this.#value[name] !== null
  }

  string(name: string): string | null {
    const value = this.#value[name]
    if (value === undefined || value === null) return null
    if (typeof value === 'string') return value
    this.#wrong(name, 'a string')
    return null
  }

  /** The field as text, '' when it is anything else: nothing is reported. */
  text(name: string): string {
    const value = this.#value[name]
    return typeof value === 'string' ? value : ''
  }

  boolean(name: string): boolean | null {
    const value = this.#value[name]
    if (value === undefined || value === null) return null
    if (typeof value === 'boolean') return value
    this.#wrong(name, 'true or false')
    return null
  }

  /** Whole number from `min` to `max`; protobuf JSON also allows it as text. */
  integer(name: string, min: number, max: number): number | null {
    const value = this.#value[name]
    if (value === undefined || value === null) return null
    const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value
    if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max) {
      return number
    }
    this.#wrong(name, `a whole number from ${min} to ${max}`)
    return null
  }

  /** Enum by name or number: the name, or null. `names[i]` has number i. */
  enumeration<Name extends string>(name: string, names: readonly Name[]): Name | null {
    const value = this.#value[name]
    if (value === undefined || value === null) return null
    const found = typeof value === 'number' ? names[value] : names.find((item) => item === value)
    if (found !== undefined) return found
    this.#wrong(name, `one of ${names.join(', ')}`)
    return null
  }

  durationMs(name: string): number | null {
    const value = this.#value[name]
    if (value === undefined || value === null) return null
    const duration = typeof value === 'string' ? parseDurationMs(value) : null
    if (duration === null) this.#wrong(name, 'a duration such as "0.5s"')
    return duration
  }

  object(name: string): Fields | null {
    const value = this.#value[name]
    if (value === undefined || value === null) return null
    if (isJsonObject(value)) return new Fields(value, [...this.path, name], this.findings)
    this.#wrong(name, 'an object')
    return null
  }

  list(name: string): readonly Fields[] {
    const value = this.#value[name]
    if (value === undefined || value === null) return []
    if (Array.isArray(value) && value.every(isJsonObject)) {
      return value.map(
        (item, index) => new Fields(item, [...this.path, name, index], this.findings),
      )
    }
    this.#wrong(name, 'a list of objects')
    return []
  }

  /** Reports fields nobody reads. */
  refuseOthers(...known: readonly string[]): void {
    for (const name of this.names) {
      if (known.includes(name)) continue
      this.findings.unsupported(
        [...this.path, name],
        `field ${name} is not supported and has no effect`,
      )
    }
  }

  error(name: string, message: string, hint: string | null = null): void {
    this.findings.error([...this.path, name], message, hint)
  }

  #wrong(name: string, expected: string): void {
    this.findings.error([...this.path, name], `${name} must be ${expected}`)
  }
}
