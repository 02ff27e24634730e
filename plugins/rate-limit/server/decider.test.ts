import { expect, test } from 'vitest'
import { type CounterStore, UNAVAILABLE } from '../counter-store.ts'
import { parseDescriptorConfig } from '../descriptor-config.ts'
import { MemoryStore } from '../memory-store.ts'
import { RateLimitStats } from '../stats.ts'
import type { ServiceDescriptor } from '../wire/request-message.ts'
import { OK, OVER_LIMIT, type ServiceResponse } from '../wire/response-message.ts'
import { Decider } from './decider.ts'

interface Sketch {
  readonly file: string
  readonly store?: CounterStore
  readonly responseHeaders?: boolean
}

type Heard = ServiceResponse | 'unavailable' | string

/** Asks about `domain: d` at one moment: entries as `key=value`, one string for each descriptor. */
function asking({ file, store, responseHeaders = false }: Sketch) {
  const parsed = parseDescriptorConfig(`domain: d\ndescriptors:\n${file}`)
  if ('error' in parsed) throw new Error(parsed.error)
  const stats = new RateLimitStats()
  const decider = new Decider({
    domains: { find: (domain) => (domain === 'd' ? parsed.root : null) },
    store: store ?? new MemoryStore(() => 1_700_000_015_000),
    stats,
    responseHeaders,
  })
  const ask = (descriptors: readonly (string | ServiceDescriptor)[]): Heard => {
    let heard: Heard = 'nothing'
    const request = { domain: 'd', descriptors: descriptors.map(descriptorOf), hitsAddend: 0 }
    const wrong = decider.ask(request, 1000, {
      decided: (response) => (heard = response),
      unavailable: () => (heard = 'unavailable'),
    })
    return wrong ?? heard
  }
  return { ask, stats, decider }
}

function descriptorOf(sketch: string | ServiceDescriptor): ServiceDescriptor {
  if (typeof sketch !== 'string') return sketch
  const entries = sketch.split(' ').flatMap((entry) => entry.split('='))
  return { entries, limit: null, hitsAddend: null }
}

const codes = (heard: Heard): readonly number[] => {
  if (typeof heard === 'string') throw new Error(heard)
  return [heard.code, ...heard.statuses.map(({ code }) => code)]
}

test.for<{ name: string; file: string; descriptors: readonly string[]; answers: number[][] }>([
  {
    name: 'one limit',
    file: '- { key: a, rate_limit: { unit: hour, requests_per_unit: 1 } }',
    descriptors: ['a=1'],
    answers: [
      [OK, OK],
      [OVER_LIMIT, OVER_LIMIT],
    ],
  },
  {
    name: 'a shadow limit counts and never denies',
    file: '- { key: a, shadow_mode: true, rate_limit: { unit: hour, requests_per_unit: 1 } }',
    descriptors: ['a=1'],
    answers: [
      [OK, OK],
      [OK, OK],
    ],
  },
  {
    name: 'quota limits deny only together',
    file: `- { key: a, quota_mode: true, rate_limit: { unit: hour, requests_per_unit: 1 } }
- { key: b, quota_mode: true, rate_limit: { unit: hour, requests_per_unit: 2 } }`,
    descriptors: ['a=1', 'b=1'],
    answers: [
      [OK, OK, OK],
      [OK, OVER_LIMIT, OK],
      [OVER_LIMIT, OVER_LIMIT, OVER_LIMIT],
    ],
  },
  {
    name: 'a limit that is replaced neither counts nor denies',
    file: `- { key: a, rate_limit: { name: base, unit: hour, requests_per_unit: 1 } }
- { key: b, rate_limit: { unit: hour, requests_per_unit: 3, replaces: [{ name: base }] } }`,
    descriptors: ['a=1', 'b=1'],
    answers: [
      [OK, OK, OK],
      [OK, OK, OK],
    ],
  },
  {
    name: 'a descriptor that is too short for its rule meets no limit',
    file: '- { key: a, descriptors: [{ key: b, rate_limit: { unit: hour, requests_per_unit: 0 } }] }',
    descriptors: ['a=1', 'a=1 b=2'],
    answers: [[OVER_LIMIT, OK, OVER_LIMIT]],
  },
])('$name', ({ file, descriptors, answers }) => {
  const { ask } = asking({ file })
  for (const answer of answers) expect(codes(ask(descriptors))).toEqual(answer)
})

test('a status tells the limit and the seconds to the end of its window', () => {
  const { ask } = asking({
    file: '- { key: a, rate_limit: { name: n, unit: minute, requests_per_unit: 5 } }',
  })
  expect(ask(['a=1'])).toMatchObject({
    statuses: [
      {
        limit: { requestsPerUnit: 5, unit: 'MINUTE', name: 'n' },
        remaining: 4,
        // 1,700,000,015 is 35 s into its minute.
        resetSeconds: 25,
      },
    ],
  })
})

test('response headers tell of the limit that denies, else of the one with the least left', () => {
  const { ask } = asking({
    file: `- { key: a, rate_limit: { unit: hour, requests_per_unit: 9 } }
- { key: b, rate_limit: { unit: hour, requests_per_unit: 2 } }`,
    responseHeaders: true,
  })
  const headers = (heard: Heard): readonly string[] =>
    typeof heard === 'string' ? [] : heard.responseHeaders.slice(0, 4)
  expect(headers(ask(['a=1', 'b=1']))).toEqual(['RateLimit-Limit', '2', 'RateLimit-Remaining', '1'])
  expect(headers(ask(['a=1', 'b=2', 'z=1']))).toEqual([
    'RateLimit-Limit',
    '2',
    'RateLimit-Remaining',
    '1',
  ])
  expect(headers(ask(['z=1']))).toEqual([])
})

test('any limit of requests is one rule for metrics, and metrics hold no values', () => {
  const { ask, stats } = asking({ file: '- { key: a }' })
  for (let i = 0; i < 50; i++) {
    ask([
      {
        entries: [`key-${i}`, `value-${i}`],
        limit: { requestsPerUnit: i, unit: 'HOUR' },
        hitsAddend: null,
      },
    ])
  }
  expect(stats.rules.filter(({ policy }) => policy === 'd').map(({ rule }) => rule)).toEqual([
    'override',
  ])
})

test('counters out of reach are said to be, and leave nothing open', () => {
  const memory = new MemoryStore()
  const store: CounterStore = {
    envoyKeys: false,
    count: () => UNAVAILABLE,
    status: () => memory.status(),
    close: () => memory.close(),
  }
  const { ask, decider, stats } = asking({
    file: '- { key: a, rate_limit: { unit: hour, requests_per_unit: 1 } }',
    store,
  })
  expect(ask(['a=1'])).toBe('unavailable')
  expect(codes(ask(['b=1']))).toEqual([OK, OK])
  expect(decider.open).toBe(0)
  expect(stats.failures).toBe(1)
})
