import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { LIMITS_PATH, renderLimits } from '../scripts/limits.ts'
import { PROBLEMS_PATH, renderProblems } from '../scripts/problem-catalogue.ts'
import { codeUses, quotedWords, usesIn } from '../scripts/problem-codes.ts'
import {
  meshRows,
  renderSupportMatrix,
  SUPPORT_MATRIX_PATH,
  supportRows,
} from '../scripts/support-matrix.ts'
import { meshNotes, supportNotes } from '../scripts/support-notes.ts'
import { istioKinds } from '../src/config/kinds/rules.ts'
import { securityKinds } from '../src/config/kinds/security-kinds.ts'
import { catalogueChapters, problemCatalogue } from '../src/config/problem-catalogue.ts'
import {
  ignored,
  integer,
  list,
  map,
  object,
  oneOf,
  refused,
  string,
} from '../src/config/schema.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FOLDERS = ['src', 'plugins']

/** Codes that the sources put together at run time. */
const COMPOSED = new Set([
  'missing-api-version',
  'missing-kind',
  'unknown-api-version',
  'unknown-kind',
])

describe('the problem catalogue', () => {
  test('has every code the sources report', () => {
    const missing = codeUses(ROOT, FOLDERS).filter(({ code }) => !(code in problemCatalogue))
    const told = missing.map(({ code, file }) => `${code} (${file})`)
    expect(told, 'add these to src/config/problem-catalogue/*.ts').toEqual([])
  })

  test('has no code that nothing reports', () => {
    const words = quotedWords(ROOT, FOLDERS)
    const stale = Object.keys(problemCatalogue).filter(
      (code) => !words.has(code) && !COMPOSED.has(code),
    )
    expect(stale, 'remove these from src/config/problem-catalogue/*.ts').toEqual([])
  })

  test('names the severities the sources use', () => {
    const wrong = codeUses(ROOT, FOLDERS).filter(({ code, severity }) => {
      const known: readonly string[] | undefined = problemCatalogue[code]?.severities
      return severity !== null && known !== undefined && !known.includes(severity)
    })
    expect(wrong).toEqual([])
  })

  test('has each code in one chapter', () => {
    const codes = catalogueChapters.flatMap(([, chapter]) => Object.keys(chapter))
    expect(codes.length).toBe(new Set(codes).size)
  })

  test.each([
    ["place\n  .error(\n    'a-code', `x`)", 'a-code', 'error'],
    ["findings.report('warning', 'a-code', place)", 'a-code', 'warning'],
    ["this.#reporter.report(severity, 'a-code')", 'a-code', null],
    ["problems.push({ code: 'a-code', severity })", 'a-code', null],
    ["const code = same ? 'a-code' : 'a-code'", 'a-code', null],
  ])('finds the code in %j', (source, code, severity) => {
    expect(usesIn(source, 'x.ts')).toContainEqual({ code, severity, file: 'x.ts' })
  })
})

describe('the support matrix', () => {
  test('walks lists, maps and objects, and stops where a field is not served', () => {
    const schema = object({
      name: string,
      mode: oneOf('A', 'B'),
      labels: map(string),
      rules: list(object({ port: integer })),
      old: ignored(object({ a: string }), 'it is gone'),
      odd: refused(list(string), 'it is unsafe'),
    })
    expect(supportRows(schema, 'spec')).toEqual([
      { path: 'spec.name', type: 'string', support: 'works', note: '' },
      { path: 'spec.mode', type: 'A, B', support: 'works', note: '' },
      { path: 'spec.labels', type: 'map of string', support: 'works', note: '' },
      { path: 'spec.rules[].port', type: 'integer', support: 'works', note: '' },
      { path: 'spec.old', type: 'object', support: 'ignored', note: 'it is gone' },
      { path: 'spec.odd', type: 'list of string', support: 'refused', note: 'it is unsafe' },
    ])
  })

  test('has a row for every note', () => {
    for (const [kind, notes] of Object.entries(supportNotes)) {
      const rules = istioKinds.get(kind) ?? securityKinds.get(kind)
      const paths = new Set(
        rules === undefined ? [] : supportRows(rules.schema, 'spec').map(({ path }) => path),
      )
      expect(Object.keys(notes).filter((path) => !paths.has(path))).toEqual([])
    }
    const meshPaths = new Set(meshRows().map(({ path }) => path))
    expect(Object.keys(meshNotes).filter((path) => !meshPaths.has(path))).toEqual([])
  })
})

describe('generated documentation is up to date', () => {
  test('docs/problems.md: node scripts/problem-catalogue.ts', () => {
    expect(readFileSync(PROBLEMS_PATH, 'utf8')).toBe(renderProblems())
  })

  test('docs/limits.md: node scripts/limits.ts', () => {
    expect(readFileSync(LIMITS_PATH, 'utf8')).toBe(renderLimits())
  })

  test('docs/support-matrix.md: node scripts/support-matrix.ts', () => {
    expect(readFileSync(SUPPORT_MATRIX_PATH, 'utf8')).toBe(renderSupportMatrix())
  })
})
