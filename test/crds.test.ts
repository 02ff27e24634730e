import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { rateLimitPolicySchema } from '../src/config/kinds/rate-limit-policy.ts'
import type { Schema } from '../src/config/schema.ts'

interface JsonSchema {
  readonly type?: string
  readonly enum?: readonly string[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: JsonSchema
  readonly items?: JsonSchema
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean
}

interface Crd {
  readonly spec: {
    readonly group: string
    readonly names: { readonly kind: string }
    readonly versions: readonly {
      readonly name: string
      readonly schema: { readonly openAPIV3Schema: JsonSchema }
    }[]
  }
}

/** The shape of a field table, as far as both notations say it. */
function shapeOf(schema: Schema): unknown {
  switch (schema.type) {
    case 'object': {
      const fields = Object.entries<Schema>(schema.fields)
      return Object.fromEntries(fields.map(([name, field]) => [name, shapeOf(field)]))
    }
    case 'list':
      return [shapeOf(schema.item)]
    case 'map':
      return { '*': shapeOf(schema.value) }
    case 'enum':
      return schema.values.toSorted().join('|')
    case 'duration':
      return 'string'
    default:
      return schema.type
  }
}

function shapeOfJson(schema: JsonSchema): unknown {
  if (schema.items !== undefined) return [shapeOfJson(schema.items)]
  if (schema.additionalProperties !== undefined) {
    return { '*': shapeOfJson(schema.additionalProperties) }
  }
  if (schema.properties !== undefined) {
    const entries = Object.entries(schema.properties)
    return Object.fromEntries(entries.map(([name, field]) => [name, shapeOfJson(field)]))
  }
  // The group is text with one value besides none.
  if (schema.enum !== undefined && !schema.enum.includes('')) {
    return schema.enum.toSorted().join('|')
  }
  return schema['x-kubernetes-preserve-unknown-fields'] === true ? 'any' : schema.type
}

test('the CRD of RateLimitPolicy has the fields that the gateway reads', () => {
  const path = fileURLToPath(new URL('../deploy/crds/ratelimitpolicies.yaml', import.meta.url))
  const { spec } = parse(readFileSync(path, 'utf8')) as Crd
  expect([spec.group, spec.names.kind]).toEqual(['tidegate.dev', 'RateLimitPolicy'])
  const [version] = spec.versions
  expect(version?.name).toBe('v1alpha1')
  const written = version?.schema.openAPIV3Schema.properties?.['spec']
  expect(shapeOfJson(written ?? {})).toEqual(shapeOf(rateLimitPolicySchema))
})
