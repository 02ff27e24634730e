import { expect, test } from 'vitest'
import { casesFrom, runAgainst } from '../../../test/support/route-cases.ts'
import { gateway, virtualService } from '../../../test/support/yaml.ts'
import { CoverageCount } from './coverage.ts'

const ANSWER = 'directResponse: { status: 200 }'
const YAML =
  gateway('edge', ['a.test', 'b.test']) +
  virtualService(
    'main',
    ['a.test', 'b.test'],
    ['edge'],
    `  - match: [{ uri: { prefix: /one } }, { uri: { prefix: /two } }]
    ${ANSWER}
  - ${ANSWER}`,
  ) +
  virtualService('elsewhere', ['a.test'], ['unknown'], `  - ${ANSWER}`)

const CASES = casesFrom(`cases:
- { name: one, request: { url: http://a.test/one }, expect: { status: 200 } }
- { name: rest, request: { url: http://b.test/ }, expect: { status: 200 } }
`)

test('each match entry counts, on however many hosts it stands', async () => {
  const count = new CoverageCount()
  await runAgainst(CASES, YAML, count)
  const { rules, covered, percent, uncovered, unserved } = count.result()
  expect({ rules, covered, percent }).toEqual({ rules: 3, covered: 2, percent: 66.6 })
  expect(uncovered).toEqual([
    expect.objectContaining({ name: 'main', path: 'spec.http[0].match[1]', file: 'shop.yaml' }),
  ])
  expect(unserved).toEqual([expect.objectContaining({ name: 'elsewhere', path: 'spec.http[0]' })])
})

test('the same configuration asked twice counts once', async () => {
  const count = new CoverageCount()
  await runAgainst(CASES, YAML, count)
  await runAgainst(CASES, YAML, count)
  expect(count.result()).toMatchObject({ rules: 3, covered: 2 })
})

test('without rules nothing is left uncovered', () => {
  expect(new CoverageCount().result()).toMatchObject({ rules: 0, percent: 100, uncovered: [] })
})
