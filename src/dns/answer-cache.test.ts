import { expect, test } from 'vitest'
import { AnswerCache, MAX_CACHED_ANSWERS } from './answer-cache.ts'
import { type Answered, type DnsAnswerRecord, failed, RCODE } from './message.ts'

function address(ttl: number): DnsAnswerRecord {
  return { type: 'A', name: 'web.test', ttl, data: '192.0.2.1' }
}

function soa(ttl: number, minimum: number): DnsAnswerRecord {
  const data = { mname: 'ns.test', rname: 'host.test', minimum }
  return { type: 'SOA', name: 'test', ttl, data }
}

function answer(fields: Partial<Answered>): Answered {
  return { ...failed(RCODE.noError), ...fields }
}

const cases: readonly { name: string; answered: Answered; seconds: number }[] = [
  { name: 'the least TTL', answered: answer({ answers: [address(60), address(20)] }), seconds: 20 },
  { name: 'an hour at most', answered: answer({ answers: [address(86_400)] }), seconds: 3_600 },
  { name: 'not with TTL 0', answered: answer({ answers: [address(0)] }), seconds: 0 },
  {
    name: 'NXDOMAIN for the minimum of the SOA',
    answered: answer({ rcode: RCODE.nxDomain, authorities: [soa(900, 30)] }),
    seconds: 30,
  },
  {
    name: 'an absent record for five minutes at most',
    answered: answer({ authorities: [soa(86_400, 86_400)] }),
    seconds: 300,
  },
  { name: 'NXDOMAIN without SOA not', answered: failed(RCODE.nxDomain), seconds: 0 },
  { name: 'a failure for a second', answered: failed(RCODE.servFail), seconds: 1 },
]

test.each(cases)('answers are kept: $name', ({ answered, seconds }) => {
  let now = 0
  const cache = new AnswerCache(() => now)
  cache.keep('key', answered)
  now = seconds * 1_000 - 1
  if (seconds > 0) expect(cache.find('key')).not.toBeNull()
  now = seconds * 1_000
  expect(cache.find('key')).toBeNull()
})

test('the oldest answer leaves when there is no room', () => {
  const cache = new AnswerCache(() => 0)
  const kept = answer({ answers: [address(60)] })
  for (let at = 0; at <= MAX_CACHED_ANSWERS; at++) cache.keep(`key ${at}`, kept)
  expect(cache.size).toBe(MAX_CACHED_ANSWERS)
  expect(cache.find('key 0')).toBeNull()
  expect(cache.find('key 1')).not.toBeNull()
})
