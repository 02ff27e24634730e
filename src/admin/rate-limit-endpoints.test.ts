import { describe, expect, test } from 'vitest'
import { type LimitReset, LimitResetProblem } from '../filters/limit-report.ts'
import { explainedLimits, type LimitQuery, resetLimits, topLimits } from './rate-limit-endpoints.ts'

const NOTHING = { status: 400, body: 'this process limits no requests\n' }

test('a process without limits says so', async () => {
  expect(await topLimits({}, {})).toEqual(NOTHING)
  expect(await explainedLimits({}, {})).toEqual(NOTHING)
  expect(await resetLimits({}, {})).toEqual(NOTHING)
})

describe('what is asked', () => {
  const DONE = { counters: 1, reset: 1, keys: ['k'], skipped: [], othersRecheckMs: null }

  test.each<[name: string, query: LimitQuery, asked: Partial<LimitReset>]>([
    ['a key', { key: 'k' }, { key: 'k' }],
    ['a rule', { policy: 'a/b', rule: 'r' }, { policy: 'a/b', rule: 'r' }],
    ['hot, without value', { domain: 'd', hot: '' }, { domain: 'd', hot: true }],
    ['not hot', { domain: 'd', hot: 'false' }, { domain: 'd', hot: false }],
    [
      'entries in order, each name up to its first =',
      { domain: 'd', entry: ['path=/a?x=1,y=2', 'user='] },
      {
        domain: 'd',
        entries: [
          ['path', '/a?x=1,y=2'],
          ['user', ''],
        ],
      },
    ],
  ])('%s', async (_name, query, asked) => {
    const seen: LimitReset[] = []
    const state = {
      resetLimits: async (one: LimitReset) => {
        seen.push(one)
        return DONE
      },
    }
    expect(await resetLimits(state, query)).toEqual({ status: 200, body: DONE })
    const nothing = { key: null, policy: null, domain: null, rule: null, entries: [], hot: false }
    expect(seen).toEqual([{ ...nothing, ...asked }])
  })

  test.each<[query: LimitQuery, message: RegExp]>([
    [{ rules: 'r' }, /no parameter rules: known are key, policy/],
    [{ rule: ['a', 'b'] }, /rule is given twice/],
    [{ entry: '=x' }, /entry=NAME=VALUE/],
    [{ entry: Array.from({ length: 33 }, () => 'a=b') }, /more than 32 entries/],
    [{ hot: 'perhaps' }, /hot is true or false/],
  ])('%j is refused', async (query, message) => {
    const state = { resetLimits: () => Promise.reject(new Error('not to be asked')) }
    const { status, body } = await resetLimits(state, query)
    expect([status, body]).toEqual([400, expect.stringMatching(message)])
  })

  test.each([
    ['wrong', 400],
    ['unknown', 404],
    ['away', 503],
  ] as const)('what is %s is answered with %i', async (kind, status) => {
    const problem = new LimitResetProblem(kind, 'what', 'hint')
    const state = { resetLimits: async () => problem }
    expect(await resetLimits(state, { key: 'k' })).toEqual({ status, body: 'what: hint\n' })
  })

  test.each(['0', '257', '1.5', 'many'])('limit=%s is refused', async (limit) => {
    const store = {
      kind: 'memory',
      server: null,
      available: true,
      size: 0,
      evicted: 0,
      redis: null,
    } as const
    const state = {
      rateLimits: () => ({ store, rules: [], hotKeys: [] }),
      hotLimits: async () => [],
    }
    expect((await topLimits(state, { limit })).status).toBe(400)
    expect(await topLimits(state, {})).toMatchObject({ status: 200, body: { keys: [] } })
  })

  test('a call that makes no sense is refused, and before the first snapshot none is explained', async () => {
    const state = { explainLimits: async () => null }
    expect(await explainedLimits(state, {})).toMatchObject({
      status: 400,
      body: expect.stringMatching(/^url is missing/),
    })
    expect(await explainedLimits(state, { url: 'http://a.test/' })).toMatchObject({ status: 503 })
  })
})
