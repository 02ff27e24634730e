/**
 * Field tables. One table per kind gives its TypeScript type (Infer), the shape check, the
 * suggestions for unknown fields and the generated support matrix.
 *
 * Protobuf JSON rules: every field may be absent; absent is not the same as empty.
 */
export type Support = 'works' | 'ignored' | 'refused'

interface Base {
  readonly support?: Support
  /** Why it is ignored or refused: shown in the finding and in the support matrix. */
  readonly note?: string
}

export interface StringSchema extends Base {
  readonly type: 'string'
}
/** Istio durations: `1.5s`, `2m`, `1h30m` are kept as text; base/duration.ts parses them. */
export interface DurationSchema extends Base {
  readonly type: 'duration'
}
export interface NumberSchema extends Base {
  readonly type: 'number'
}
export interface IntegerSchema extends Base {
  readonly type: 'integer'
}
export interface BooleanSchema extends Base {
  readonly type: 'boolean'
}
/** Kubernetes IntOrString (targetPort). */
export interface IntOrStringSchema extends Base {
  readonly type: 'int-or-string'
}
/** Anything: kept as parsed (EnvoyFilter patch values, status). */
export interface AnySchema extends Base {
  readonly type: 'any'
}
export interface EnumSchema<V extends string> extends Base {
  readonly type: 'enum'
  readonly values: readonly V[]
}
export interface ListSchema<S extends Schema> extends Base {
  readonly type: 'list'
  readonly item: S
}
export interface MapSchema<S extends Schema> extends Base {
  readonly type: 'map'
  readonly value: S
}
export interface ObjectSchema<F extends Fields> extends Base {
  readonly type: 'object'
  readonly fields: F
}
export type Fields = { readonly [name: string]: Schema }
export type Schema =
  | StringSchema
  | DurationSchema
  | NumberSchema
  | IntegerSchema
  | BooleanSchema
  | IntOrStringSchema
  | AnySchema
  | EnumSchema<string>
  | ListSchema<any>
  | MapSchema<any>
  | ObjectSchema<any>

export type Infer<S> =
  S extends ObjectSchema<infer F>
    ? { readonly [K in keyof F]?: Infer<F[K]> }
    : S extends ListSchema<infer I>
      ? readonly Infer<I>[]
      : S extends MapSchema<infer I>
        ? Readonly<Record<string, Infer<I>>>
        : S extends EnumSchema<infer V>
          ? V
          : S extends StringSchema | DurationSchema
            ? string
            : S extends NumberSchema | IntegerSchema
              ? number
              : S extends BooleanSchema
                ? boolean
                : S extends IntOrStringSchema
                  ? number | string
                  : S extends AnySchema
                    ? unknown
                    : never

export const string: StringSchema = { type: 'string' }
export const duration: DurationSchema = { type: 'duration' }
export const number: NumberSchema = { type: 'number' }
export const integer: IntegerSchema = { type: 'integer' }
export const boolean: BooleanSchema = { type: 'boolean' }
export const intOrString: IntOrStringSchema = { type: 'int-or-string' }
export const any: AnySchema = { type: 'any' }

export function oneOf<const V extends string>(...values: V[]): EnumSchema<V> {
  return { type: 'enum', values }
}
export function list<S extends Schema>(item: S): ListSchema<S> {
  return { type: 'list', item }
}
export function map<S extends Schema>(value: S): MapSchema<S> {
  return { type: 'map', value }
}
export function object<F extends Fields>(fields: F): ObjectSchema<F> {
  return { type: 'object', fields }
}
/** Accepted and without effect: using it is a warning finding that carries the note. */
export function ignored<S extends Schema>(schema: S, note: string): S {
  return { ...schema, support: 'ignored', note }
}
/** Using it is an error that carries the note: serving without it would be wrong or unsafe. */
export function refused<S extends Schema>(schema: S, note: string): S {
  return { ...schema, support: 'refused', note }
}
