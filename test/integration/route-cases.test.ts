import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { type Document, isCollection, parse, parseAllDocuments } from 'yaml'
import { CoverageCount } from '../../src/cli/route-cases/coverage.ts'
import { runCommand } from '../support/command.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { casesFrom, runAgainst } from '../support/route-cases.ts'
import { gateway, virtualService } from '../support/yaml.ts'

// A test starts the command several times: seconds each on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

const FIXTURES = join(import.meta.dirname, '../fixtures/route-cases')
const SHOP = readFileSync(join(FIXTURES, 'shop.yaml'), 'utf8')
const SHOP_CASES = casesFrom(
  readFileSync(join(FIXTURES, 'shop.cases.yaml'), 'utf8'),
  join(FIXTURES, 'shop.cases.yaml'),
)

/** Paths of every http rule and of every match entry that is not the only one of its rule. */
function deletable(documents: readonly Document[]): readonly (readonly [number, ...unknown[]])[] {
  return documents.flatMap((document, index) => {
    const http: unknown = document.getIn(['spec', 'http'])
    if (!isCollection(http)) return []
    return http.items.flatMap((_rule, rule) => {
      const path = [index, 'spec', 'http', rule] as const
      const match: unknown = document.getIn(['spec', 'http', rule, 'match'])
      const entries = isCollection(match) ? match.items.length : 0
      if (entries < 2) return [path]
      return [
        path,
        ...Array.from({ length: entries }, (_one, at) => [...path, 'match', at] as const),
      ]
    })
  })
}

describe('the route cases of a shop with 50 rules', () => {
  test('pass, and reach every rule', async () => {
    const count = new CoverageCount()
    const { cases, problems } = await runAgainst(SHOP_CASES, SHOP, count)
    expect(cases.filter(({ passed }) => !passed)).toEqual([])
    expect(problems).toEqual([])
    expect(count.result()).toMatchObject({ percent: 100, uncovered: [], unserved: [] })
  })

  test('fail when any one rule, or any one of its matches, is deleted', async () => {
    const paths = deletable(parseAllDocuments(SHOP))
    expect(paths.filter(({ length }) => length === 4)).toHaveLength(50)
    const unnoticed: string[] = []
    for (const [index, ...path] of paths) {
      const documents = parseAllDocuments(SHOP)
      documents[index]?.deleteIn(path)
      const { cases } = await runAgainst(SHOP_CASES, documents.map(String).join('---\n'))
      if (cases.every(({ passed }) => passed)) unnoticed.push(path.join('.'))
    }
    expect(unnoticed).toEqual([])
  })
})

const RULES = `  - name: cart
    match: [{ uri: { prefix: /cart } }]
    directResponse: { status: 200 }
  - name: rest
    directResponse: { status: 204 }`

function files(cases: string): Record<string, string> {
  return {
    'istio/web.yaml': gateway('gw', ['a.test']) + virtualService('vs', ['a.test'], ['gw'], RULES),
    'web.cases.yaml': cases,
  }
}

const CONFIGURED = 'configuration: [istio]\ncases:\n'
const PASSING =
  '- { name: the cart, request: { url: http://a.test/cart }, expect: { route: cart } }\n'
const FAILING =
  '- { name: the rest, request: { url: http://a.test/cart }, expect: { route: rest } }\n'

describe('tidegate test', () => {
  test('passes over the quickstart, all of whose rules it reaches', async () => {
    const args = ['examples/quickstart/quickstart.cases.yaml', '--coverage', '--fail-under', '100']
    const { code, stdout, stderr } = await runCommand(['test', ...args])
    expect(stdout).toMatch(/\n\d+ passed, 0 failed\n$/)
    expect([code, stderr]).toEqual([0, ''])
  })

  test('tells of a failure what was expected, what is, and the rules behind it with file and line', async () => {
    using folder = new TemporaryFolder(files(CONFIGURED + PASSING + FAILING))
    const file = folder.join('web.cases.yaml')
    const config = folder.join('istio/web.yaml')
    const [table, json, yaml] = await Promise.all([
      runCommand(['test', file]),
      runCommand(['test', file, '-o', 'json']),
      runCommand(['test', file, '-o', 'yaml']),
    ])
    expect([table.code, json.code, yaml.code]).toEqual([1, 1, 1])
    expect(table.stdout).toContain(`ok    the cart\nFAIL  the rest  (${file}:4)\n`)
    expect(table.stdout).toContain(
      `      route (${file}:4)\n        expected  "rest"\n        actual    "cart"\n`,
    )
    expect(table.stdout).toContain(`(${config}:17)`)
    expect(table.stdout).toMatch(/ok: path prefix \/cart/)
    expect(table.stdout).toMatch(/1 passed, 1 failed\n$/)
    const report: unknown = JSON.parse(json.stdout)
    expect(parse(yaml.stdout)).toEqual(report)
    expect(report).toMatchObject({
      passed: 1,
      failed: 1,
      problems: [],
      coverage: null,
      cases: [
        { name: 'the cart', passed: true, mismatches: [] },
        {
          name: 'the rest',
          file,
          line: 4,
          passed: false,
          mismatches: [{ field: 'route', line: 4, expected: '"rest"', actual: '"cart"' }],
          outcome: { type: 'direct-response', status: 200 },
          decidedBy: { name: 'cart', place: { file: config, path: 'spec.http[0].match[0]' } },
        },
      ],
    })
  })

  test('lists rules that no case reaches, and fails where too few are', async () => {
    using folder = new TemporaryFolder(files(CONFIGURED + PASSING))
    const file = folder.join('web.cases.yaml')
    const [plain, enough, low] = await Promise.all([
      runCommand(['test', file, '--coverage']),
      runCommand(['test', file, '--fail-under', '50']),
      runCommand(['test', file, '--fail-under', '51']),
    ])
    expect(plain.stdout).toMatch(
      /^not covered {2}VirtualService default\/vs spec\.http\[1\] \(.*web\.yaml:\d+\)$/m,
    )
    expect(plain.stdout).toContain('1 of 2 rules are covered: 50 %\n')
    expect([plain.code, enough.code, low.code]).toEqual([0, 0, 1])
  })

  test('takes the configuration of -c in place of what the file says', async () => {
    using folder = new TemporaryFolder({
      ...files(`cases:\n${PASSING}`),
      'other.yaml': gateway('gw', ['a.test']),
    })
    const file = folder.join('web.cases.yaml')
    const [none, given, other] = await Promise.all([
      runCommand(['test', file]),
      runCommand(['test', file, '-c', folder.join('istio')]),
      runCommand(['test', file, '-c', folder.join('other.yaml')]),
    ])
    expect([none.code, given.code, other.code]).toEqual([2, 0, 1])
    expect(none.stderr).toMatch(/names no configuration\n.*web\.cases\.yaml\n {2}what to do: /)
  })

  test('fails for errors in the configuration even when every case passes', async () => {
    using folder = new TemporaryFolder({
      ...files(CONFIGURED + PASSING),
      'istio/bad.yaml': virtualService('bad', ['b.test'], ['gw'], RULES).replace('hosts', 'hots'),
    })
    const { code, stdout } = await runCommand(['test', folder.join('web.cases.yaml')])
    expect(stdout).toMatch(/^error: .*bad\.yaml:\d+ VirtualService default\/bad/m)
    expect(stdout).toMatch(/1 passed, 0 failed, [1-9]\d* errors in the configuration/)
    expect(code).toBe(1)
  })

  test('refuses malformed case files before it runs any, with file and line', async () => {
    using folder = new TemporaryFolder({
      ...files(CONFIGURED + PASSING),
      'bad.cases.yaml': CONFIGURED + PASSING.replace('route: cart', 'rout: cart, stats: 1'),
    })
    const bad = folder.join('bad.cases.yaml')
    const { code, stdout, stderr } = await runCommand(['test', folder.join('web.cases.yaml'), bad])
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(`error: ${bad}:3 cases[0].expect.rout: `)
    expect(stderr).toContain('did you mean `route`?')
    expect(stderr).toContain('did you mean `status`?')
    expect(stderr).toMatch(/\ntidegate: .*\n {2}where: test FILE\n {2}what to do: .+\n$/)
  })
})
