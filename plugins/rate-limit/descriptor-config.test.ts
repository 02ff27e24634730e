import { expect, test } from 'vitest'
import { type DescriptorConfig, parseDescriptorConfig } from './descriptor-config.ts'
import { matchDescriptor } from './descriptor-tree.ts'
import { fixedQuota, type Limit } from './limit.ts'

function parsed(text: string): DescriptorConfig {
  const config = parseDescriptorConfig(text)
  if ('error' in config) throw new Error(config.error)
  return config
}

const LIMIT = 'rate_limit: { unit: minute, requests_per_unit: 1 }'

const REFUSED: readonly (readonly [name: string, text: string, error: string, line: number])[] = [
  ['no domain', 'descriptors: []', 'config file cannot have empty domain', 1],
  ['an empty domain', 'domain: ""\ndescriptors: []', 'config file cannot have empty domain', 1],
  ['an empty key', 'domain: d\ndescriptors:\n- value: a', 'descriptor has empty key', 3],
  [
    'two equal siblings',
    'domain: d\ndescriptors:\n- { key: a, value: b }\n- { key: a, value: b }',
    "duplicate descriptor composite key 'd.a_b'",
    4,
  ],
  [
    'siblings that collide through the underscore',
    'domain: d\ndescriptors:\n- key: x\n  descriptors:\n  - { key: a, value: b_c }\n  - { key: a_b, value: c }',
    "duplicate descriptor composite key 'd.x.a_b_c'",
    6,
  ],
  [
    'an unknown unit',
    'domain: d\ndescriptors:\n- { key: a, rate_limit: { unit: fortnight, requests_per_unit: 1 } }',
    "invalid rate limit unit 'fortnight'",
    3,
  ],
  [
    'no unit',
    'domain: d\ndescriptors:\n- { key: a, rate_limit: { requests_per_unit: 1 } }',
    "invalid rate limit unit ''",
    3,
  ],
  [
    'a unit beside unlimited',
    'domain: d\ndescriptors:\n- { key: a, rate_limit: { unit: day, unlimited: true } }',
    'should not specify rate limit unit when unlimited',
    3,
  ],
  [
    'an empty replaces',
    'domain: d\ndescriptors:\n- key: a\n  rate_limit: { unit: day, replaces: [{ name: "" }] }',
    'should not have an empty replaces entry',
    4,
  ],
  [
    'a limit that replaces itself',
    'domain: d\ndescriptors:\n- key: a\n  rate_limit: { unit: day, name: n, replaces: [{ name: n }] }',
    'replaces should not contain name of same descriptor',
    4,
  ],
  [
    'an unknown key',
    'domain: d\ndescriptors:\n- key: a\n  ratelimit: {}',
    "config error, unknown key 'ratelimit'",
    4,
  ],
  ['a key that is no text', 'domain: d\n5: x', 'config error, key is not of type string: 5', 2],
  [
    'a list of something else',
    'domain: d\ndescriptors:\n- a',
    'config error, yaml file contains list of type other than map: a',
    3,
  ],
  [
    'an unquoted fraction',
    'domain: d\ndescriptors:\n- key: a\n  value: 1.5',
    'error checking config',
    4,
  ],
  [
    'share_threshold without a star',
    'domain: d\ndescriptors:\n- { key: a, value: b, share_threshold: true }',
    "share_threshold can only be used with wildcard values (containing '*'), but found key 'd.a_b' without a wildcard",
    3,
  ],
]

test.each(REFUSED)('%s refuses the file', (_name, text, error, line) => {
  expect(parseDescriptorConfig(text)).toEqual({ error, line })
})

test.each([
  ['broken YAML', 'domain: d\ndescriptors: [', 2],
  [
    'a negative limit',
    `domain: d\ndescriptors:\n- { key: a, rate_limit: { unit: day, requests_per_unit: -1 } }`,
    3,
  ],
  ['a file that is no map', '- domain', 1],
])('%s refuses the file as one that cannot be loaded', (_name, text, line) => {
  const result = parseDescriptorConfig(text)
  expect('error' in result && result.error).toMatch(/^error loading config file: /)
  expect('line' in result && result.line).toBe(line)
})

test('limits are read with everything that stands beside them', () => {
  const { domain, root } = parsed(`
domain: d
descriptors:
- key: a
  shadow_mode: true
  quota_mode: true
  detailed_metric: true
  metadata: { anything: [1.5, x] }
  rate_limit: { unit: WEEK, requests_per_unit: 7, name: weekly, replaces: [{ name: daily }] }
`)
  expect(domain).toBe('d')
  expect(matchDescriptor(root, ['a', 'x'])).toEqual({
    quota: fixedQuota(7, 604_800),
    unlimited: false,
    path: 'a',
    line: 4,
    name: 'weekly',
    replaces: ['daily'],
    shadowMode: true,
    quotaMode: true,
  } satisfies Limit)
})

test.each([
  ['second', 1],
  ['minute', 60],
  ['hour', 3600],
  ['day', 86_400],
  ['month', 2_592_000],
  ['year', 31_536_000],
])('a %s is %i seconds', (unit, seconds) => {
  const { root } = parsed(`domain: d\ndescriptors: [{ key: a, rate_limit: { unit: ${unit} } }]`)
  expect(matchDescriptor(root, ['a', ''])?.quota.periodMs).toBe(seconds * 1000)
})

test('values are taken as written: numbers and booleans are text', () => {
  const { root } = parsed(`
domain: d
descriptors:
- { key: a, value: 0123, ${LIMIT} }
- { key: a, value: true, ${LIMIT} }
- { key: a, value: é, ${LIMIT} }
`)
  expect(matchDescriptor(root, ['a', '0123'])).not.toBeNull()
  expect(matchDescriptor(root, ['a', 'true'])).not.toBeNull()
  const bytes = Buffer.from('é', 'utf8').toString('latin1')
  expect(matchDescriptor(root, ['a', bytes])).not.toBeNull()
})

test('anchors and merge keys are written out', () => {
  const { root } = parsed(`
domain: d
descriptors:
- key: a
  rate_limit: &limit { unit: minute, requests_per_unit: 4 }
- key: b
  rate_limit: *limit
- key: c
  rate_limit: { <<: *limit, requests_per_unit: 5 }
`)
  expect(matchDescriptor(root, ['b', 'x'])?.quota.limit).toBe(4)
  expect(matchDescriptor(root, ['c', 'x'])).toMatchObject({ quota: fixedQuota(5, 60) })
})

test('a file cannot expand without bound', () => {
  let text = 'domain: d\nmetadata:\n  a0: &a0 [x, x]\n'
  for (let i = 1; i < 12; i++) {
    text += `  a${i}: &a${i} [${Array(9)
      .fill(`*a${i - 1}`)
      .join(', ')}]\n`
  }
  expect(parseDescriptorConfig(text)).toHaveProperty('error')
})
