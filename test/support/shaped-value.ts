import fc from 'fast-check'
import type { Fields, Schema } from '../../src/config/schema.ts'

/** Texts that mean something to some rule, among arbitrary ones. */
const TELLING = [
  '',
  '*',
  '.',
  '~',
  'mesh',
  'web',
  'a.example.com',
  '*.example.com',
  'ns/a.example.com',
  './*',
  '/a',
  '10.0.0.1',
  '10.0.0.1/8',
  '::1',
  'unix:///run/x',
  'HTTP',
  'TCP',
  'HTTPS',
  '%REQ(x)%',
  '(',
  '5xx',
  '__proto__',
]

const text = fc.oneof(fc.constantFrom(...TELLING), fc.string({ maxLength: 12 }))
const key = fc.oneof(fc.constantFrom(...TELLING), fc.string({ maxLength: 8 }))

/** Arbitrary values of a field table: types and enums right, everything else open. */
export function shapedValue(schema: Schema): fc.Arbitrary<unknown> {
  switch (schema.type) {
    case 'string':
      return text
    case 'duration':
      return fc.constantFrom('0s', '1ms', '0.5ms', '1.5s', '2m', '1h30m', '100h')
    case 'integer':
      return fc.oneof(fc.integer({ min: -2, max: 600 }), fc.maxSafeInteger())
    case 'number':
      return fc.oneof(fc.integer({ min: -1, max: 101 }), fc.double({ noNaN: true }))
    case 'boolean':
      return fc.boolean()
    case 'int-or-string':
      return fc.oneof(fc.integer(), text)
    case 'any':
      return fc.jsonValue({ maxDepth: 2 })
    case 'enum':
      return fc.constantFrom(...schema.values)
    case 'list':
      return fc.array(shapedValue(schema.item as Schema), { minLength: 1, maxLength: 3 })
    case 'map':
      return fc
        .array(fc.tuple(key, shapedValue(schema.value as Schema)), { maxLength: 3 })
        .map((entries) => Object.assign(Object.create(null), Object.fromEntries(entries)))
    case 'object':
      return shapedObject(schema.fields as Fields)
  }
}

function shapedObject(fields: Fields): fc.Arbitrary<unknown> {
  const arbitraries: Record<string, fc.Arbitrary<unknown>> = {}
  for (const [name, schema] of Object.entries(fields)) arbitraries[name] = shapedValue(schema)
  return fc.record(arbitraries, { requiredKeys: [] })
}
