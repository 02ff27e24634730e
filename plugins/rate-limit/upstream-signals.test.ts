import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Headers } from '../../src/filters/headers.ts'
import { upstreamWaitMs } from './upstream-signals.ts'

const NOW_MS = Date.parse('Wed, 21 Oct 2026 07:28:00 GMT')

type Case = readonly [name: string, status: number, fields: readonly string[], waitMs: number]

const CASES: readonly Case[] = [
  ['an ordinary answer', 200, [], 0],
  ['another error', 500, ['retry-after', '9'], 0],
  ['429 with seconds', 429, ['retry-after', '9'], 9000],
  ['429 with 0 seconds', 429, ['retry-after', '0'], 0],
  ['429 with a date', 429, ['retry-after', 'Wed, 21 Oct 2026 07:28:30 GMT'], 30_000],
  [
    'a date, by the clock of the upstream',
    429,
    ['retry-after', 'Wed, 21 Oct 2026 07:30:30 GMT', 'date', 'Wed, 21 Oct 2026 07:30:00 GMT'],
    30_000,
  ],
  ['a date that is over', 429, ['retry-after', 'Wed, 21 Oct 2026 07:20:00 GMT'], 0],
  ['429 with nonsense', 429, ['retry-after', 'later'], 1000],
  ['429 with a negative number', 429, ['retry-after', '-5'], 1000],
  ['429 without a word', 429, [], 1000],
  ['503 with Retry-After', 503, ['retry-after', '2'], 2000],
  ['503 without', 503, [], 0],
  ['RateLimit with room', 200, ['ratelimit', '"default";r=1;t=30'], 0],
  ['RateLimit without room', 200, ['ratelimit', '"default";r=0;t=30'], 30_000],
  ['RateLimit of a 429', 429, ['ratelimit', '"default";r=0;t=30'], 30_000],
  [
    'RateLimit of several policies: the longest of the used up',
    200,
    ['ratelimit', '"a,b";r=0;t=3, "hour";r=9;t=3000, "minute";r=0;t=7'],
    7000,
  ],
  [
    'RateLimit without t: the window of the policy',
    200,
    ['ratelimit', '"a";r=0', 'ratelimit-policy', '"b";q=1;w=5, "a";q=100;w=60'],
    60_000,
  ],
  ['RateLimit without t and policy', 200, ['ratelimit', '"a";r=0'], 1000],
  ['RateLimit in two fields', 200, ['ratelimit', '"a";r=3;t=9', 'ratelimit', '"b";r=0;t=4'], 4000],
  ['RateLimit of draft 07', 200, ['ratelimit', 'limit=10, remaining=0, reset=30'], 30_000],
  ['fields of draft 06', 200, ['ratelimit-remaining', '0', 'ratelimit-reset', '12'], 12_000],
  ['x-ratelimit with room', 200, ['x-ratelimit-remaining', '1', 'x-ratelimit-reset', '12'], 0],
  ['seconds', 200, ['x-ratelimit-remaining', '0', 'x-ratelimit-reset', '12'], 12_000],
  ['part of a second', 200, ['x-ratelimit-remaining', '0', 'x-ratelimit-reset', '0.25'], 250],
  [
    'a moment in seconds',
    403,
    ['x-ratelimit-remaining', '0', 'x-ratelimit-reset', String(NOW_MS / 1000 + 5)],
    5000,
  ],
  [
    'a moment in milliseconds',
    200,
    ['x-ratelimit-remaining', '0', 'x-ratelimit-reset', String(NOW_MS + 5)],
    5,
  ],
  [
    'a duration, of tokens',
    200,
    [
      'x-ratelimit-remaining-requests',
      '59',
      'x-ratelimit-remaining-tokens',
      '0',
      'x-ratelimit-reset-tokens',
      '6m0s',
    ],
    360_000,
  ],
  ['no reset', 200, ['x-ratelimit-remaining', '0'], 1000],
  [
    'Retry-After goes before the others',
    429,
    ['retry-after', '2', 'ratelimit', '"default";r=0;t=30'],
    2000,
  ],
]

test.each(CASES)('%s', (_name, status, fields, waitMs) => {
  expect(upstreamWaitMs(status, new Headers([...fields]), NOW_MS)).toBe(waitMs)
})

test('whatever an upstream writes, the wait is a number of milliseconds', () => {
  const names = [
    'retry-after',
    'date',
    'ratelimit',
    'ratelimit-policy',
    'ratelimit-remaining',
    'ratelimit-reset',
    'x-ratelimit-remaining',
    'x-ratelimit-reset',
  ]
  const value = fc.oneof(
    fc.string({ unit: 'binary-ascii' }),
    fc.constantFrom('0', '"a";r=0', '";r=0;t=', '99999999999999'),
    fc.stringMatching(/^("[ab,;]*"(;[rtw]=\d{0,12})*,? ?)*$/),
  )
  const field = fc.tuple(fc.constantFrom(...names), value)
  fc.assert(
    fc.property(fc.constantFrom(200, 429, 503), fc.array(field), (status, fields) => {
      const waitMs = upstreamWaitMs(status, new Headers(fields.flat()), NOW_MS)
      expect(waitMs).toBeGreaterThanOrEqual(0)
      expect(Number.isFinite(waitMs)).toBe(true)
    }),
    { numRuns: 300 },
  )
})
