import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { resourceOf } from '../../../test/support/resource.ts'
import { shapedValue } from '../../../test/support/shaped-value.ts'
import { destinationRuleProblems } from '../problem-catalogue/destination-rule.ts'
import { gatewayProblems } from '../problem-catalogue/gateway.ts'
import { otherKindProblems } from '../problem-catalogue/other-kinds.ts'
import { valueProblems } from '../problem-catalogue/values.ts'
import { virtualServiceProblems } from '../problem-catalogue/virtual-service.ts'
import { formatPath, type Problem } from '../problems.ts'
import { Reporter } from '../reporter.ts'
import { checkShape } from '../shape.ts'
import { istioKinds } from './rules.ts'

type Mapping = Record<string | number, unknown>

interface Case {
  readonly name: string
  readonly metadata?: {
    readonly name?: string
    readonly namespace?: string
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly compat?: boolean
  readonly at?: readonly (string | number)[]
  readonly set?: Mapping
  readonly unset?: readonly string[]
  readonly expect: readonly string[]
}

interface CaseFile {
  readonly kind: string
  readonly base: Mapping
  readonly cases: readonly Case[]
}

const folder = new URL('../../../test/fixtures/validation/', import.meta.url)
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => parse(readFileSync(new URL(name, folder), 'utf8')) as CaseFile)

function rulesOf(kind: string) {
  const rules = istioKinds.get(kind)
  if (rules === undefined) throw new Error(`no rules for ${kind}`)
  return rules
}

function specOf(base: Mapping, { at = [], set = {}, unset = [] }: Case): unknown {
  const spec = structuredClone(base)
  const target = at.reduce<Mapping>((place, step) => place[step] as Mapping, spec)
  Object.assign(target, set)
  for (const name of unset) delete target[name]
  return spec
}

function validate(
  kind: string,
  spec: unknown,
  { metadata, compat = false }: Pick<Case, 'metadata' | 'compat'> = {},
): Problem[] {
  const problems: Problem[] = []
  const resource = resourceOf(kind, spec, metadata)
  rulesOf(kind).validate(resource, new Reporter(resource, problems), { compat })
  return problems
}

/** The spec as the store would hand it over; refused fields are left out by the shape check. */
function shaped(kind: string, spec: unknown): unknown {
  const faults: string[] = []
  const { value } = checkShape(rulesOf(kind).schema, spec, {
    path: ['spec'],
    compat: false,
    unknownFields: 'refuse',
    showValues: true,
    sink: {
      report: (severity, code, path) => {
        if (severity === 'error') faults.push(`${code} ${formatPath(path)}`)
      },
    },
  })
  expect(faults, 'the case itself is well shaped').toEqual([])
  return value
}

for (const { kind, base, cases } of files) {
  describe(kind, () => {
    test.each(cases)('$name', (entry) => {
      const spec = shaped(kind, specOf(base, entry))
      const found = validate(kind, spec, entry).map(
        ({ severity, code, path }) => `${severity} ${code} ${formatPath(path)}`,
      )
      expect(found.toSorted()).toEqual(entry.expect.toSorted())
    })
  })
}

describe('rules', () => {
  test('every kind has cases', () => {
    expect(files.map(({ kind }) => kind).toSorted()).toEqual([...istioKinds.keys()].toSorted())
  })

  test('every code has a case that meets it', () => {
    const met = new Set(
      files.flatMap(({ cases }) =>
        cases.flatMap((entry) => entry.expect.map((line) => line.split(' ')[1])),
      ),
    )
    // Their cases are too large for a table; they have tests of their own below.
    for (const code of ['regex-too-large', 'response-body-too-large', 'response-body-large']) {
      met.add(code)
    }
    met.add('too-many-hosts')
    const catalogue = {
      ...valueProblems,
      ...gatewayProblems,
      ...virtualServiceProblems,
      ...destinationRuleProblems,
      ...otherKindProblems,
    }
    expect(Object.keys(catalogue).filter((code) => !met.has(code))).toEqual([])
  })

  const destination = [{ destination: { host: 'web' } }]
  const virtualService = (rule: Mapping) => ({ hosts: ['a.com'], http: [rule] })

  test.each([
    ['a pattern of 1024 characters', 1024, []],
    ['a pattern of 1025 characters', 1025, ['regex-too-large']],
  ])('%s', (_, length, codes) => {
    const rule = { match: [{ uri: { regex: 'a'.repeat(length) } }], route: destination }
    expect(validate('VirtualService', virtualService(rule)).map(({ code }) => code)).toEqual(codes)
  })

  test.each([
    [100 * 1024, []],
    [100 * 1024 + 1, ['response-body-large']],
    [1024 * 1024 + 1, ['response-body-too-large']],
  ])('a direct response of %i bytes', (size, codes) => {
    const rule = { directResponse: { status: 200, body: { string: 'a'.repeat(size) } } }
    expect(validate('VirtualService', virtualService(rule)).map(({ code }) => code)).toEqual(codes)
  })

  test('a service entry has at most 256 hosts', () => {
    const hosts = Array.from({ length: 257 }, (_, index) => `h${index}.example.com`)
    const spec = {
      hosts,
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      resolution: 'DNS',
    }
    expect(validate('ServiceEntry', spec).map(({ code }) => code)).toEqual(['too-many-hosts'])
  })

  test('a delegate leaves no room for a route', () => {
    const rule = { delegate: { name: 'api' }, route: destination }
    const [problem] = validate('VirtualService', virtualService(rule))
    expect(problem?.message).toBe('HTTP route cannot contain both route and delegate')
  })

  test('a hidden rule is told by the names of both rules', () => {
    const [problem] = validate('VirtualService', {
      hosts: ['a.com'],
      http: [
        { name: 'all', route: destination },
        { name: 'api', match: [{ uri: { prefix: '/api' } }], route: destination },
      ],
    })
    expect(problem?.message).toContain('http[1] ("api")')
    expect(problem?.message).toContain('http[0] ("all")')
  })

  test('consecutiveErrors is said to be honoured, and in compat mode to be ignored', () => {
    const spec = {
      host: 'foo',
      trafficPolicy: { outlierDetection: { consecutiveErrors: 7, maxEjectionPercent: 50 } },
    }
    const [own] = validate('DestinationRule', spec)
    const [compat] = validate('DestinationRule', spec, { compat: true })
    expect(own?.message).toContain('honoured here as consecutiveGatewayErrors')
    expect(compat?.message).toContain('no effect')
  })

  test.each([...istioKinds.keys()])('%s: no well-shaped value makes validate throw', (kind) => {
    fc.assert(
      fc.property(shapedValue(rulesOf(kind).schema), fc.boolean(), (spec, compat) => {
        for (const problem of validate(kind, spec, { compat })) {
          expect(problem.path[0]).toMatch(/^(spec|metadata)$/)
          expect(problem.message).not.toBe('')
        }
      }),
      { numRuns: 150 },
    )
  })

  test('a thousand rules of many matches are judged in reasonable time', () => {
    const http = Array.from({ length: 1000 }, (_, rule) => ({
      match: Array.from({ length: 3 }, (_, entry) => ({ uri: { exact: `/${rule}/${entry}` } })),
      route: destination,
    }))
    const started = performance.now()
    expect(validate('VirtualService', { hosts: ['a.com'], http })).toEqual([])
    expect(performance.now() - started).toBeLessThan(5_000)
  })
})
