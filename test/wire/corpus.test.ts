import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseLimits } from '../../src/cli/limit-flags.ts'
import { replay, readAnswers } from '../support/wire-client.ts'
import { isGuarded, OPEN_HOST, WireBench } from '../support/wire-gateway.ts'
import { corpus } from './corpus/all.ts'
import { chunks } from './corpus/chunks.ts'
import type { WireCase } from './corpus/case.ts'

let dropping: WireBench
/** Passes trailers of requests on. */
let forwarding: WireBench

beforeAll(async () => {
  dropping = await WireBench.start()
  forwarding = await WireBench.start('', { limits: parseLimits(['request-trailers=forward']) })
})

afterAll(async () => {
  await dropping[Symbol.asyncDispose]()
  await forwarding[Symbol.asyncDispose]()
})

/** What the corpus says of cases on a plain port. */
const PLAIN_SCHEME = 'x-forwarded-proto: http'

type Split = (bytes: string) => readonly string[]

const whole: Split = (bytes) => [bytes]
const byByte: Split = (bytes) => [...bytes]
/** Behind each CR, so that every CRLF is cut in two. */
const atLineEnds: Split = (bytes) => bytes.split(/(?<=\r)/)

interface Way {
  readonly scheme?: 'http' | 'https'
  readonly forwardsTrailers?: boolean
}

async function run(wire: WireCase, split: Split, way: Way = {}) {
  const { scheme = 'http', forwardsTrailers = false } = way
  const bench = forwardsTrailers ? forwarding : dropping
  bench.backend.mark()
  const options =
    scheme === 'http'
      ? { port: bench.gateway.port(80) }
      : { port: bench.gateway.port(443), tls: { ca: bench.ca, serverName: OPEN_HOST } }
  const { text, clean } = await bench.amidOthers(replay(split(wire.bytes), options))
  const requests = await bench.settled()
  const { expected } = wire
  const methods = wire.bytes.startsWith('HEAD ') ? ['HEAD'] : []
  const answers = readAnswers(text, methods).filter(({ status }) => status >= 200)

  expect(bench.backend.findings, 'what the readers disagree on').toEqual([])
  expect(requests.filter(isGuarded), 'requests smuggled past the guard').toEqual([])
  expect(answers.map(({ status }) => status)).toEqual(
    expected.answers.map((statuses) => expect.toBeOneOf([...statuses])),
  )
  if (expected.mayReset !== true) expect(clean, 'the connection ended without a reset').toBe(true)
  const complete = requests.filter((request) => request.complete)
  expect(complete.length, 'complete requests at the backend').toBe(expected.forwarded)
  if (expected.begun !== true) expect(requests.length).toBe(complete.length)
  const trailers = complete.flatMap((request) => request.trailers)
  expect(trailers).toEqual(forwardsTrailers ? (expected.trailers ?? []) : [])
  const last = complete.at(-1)
  if (expected.target !== undefined) expect(last?.target).toBe(expected.target)
  if (expected.body !== undefined) expect(last?.body).toBe(expected.body)
  const has = (expected.has ?? []).map((field) =>
    field === PLAIN_SCHEME ? `x-forwarded-proto: ${scheme}` : field,
  )
  expect(last?.fields ?? []).toEqual(expect.arrayContaining(has))
  const names = (last?.fields ?? []).map((field) => field.slice(0, field.indexOf(':')))
  for (const name of expected.lacks ?? []) expect(names).not.toContain(name)
}

test('no two cases have the same name', () => {
  expect(new Set(corpus.map(({ name }) => name)).size).toBe(corpus.length)
})

describe('in one piece', () => {
  test.each(corpus)('$name', (wire) => run(wire, whole))
})

describe('cut within every line end', () => {
  test.each(corpus)('$name', (wire) => run(wire, atLineEnds))
})

describe('byte by byte', () => {
  test.each(corpus)('$name', (wire) => run(wire, byByte))
})

describe('over TLS', () => {
  test.each(corpus)('$name', (wire) => run(wire, whole, { scheme: 'https' }))
})

describe.each([
  ['in one piece', whole],
  ['cut within every line end', atLineEnds],
])('where trailers are passed on, %s', (_name, split) => {
  test.each(chunks)('$name', (wire) => run(wire, split, { forwardsTrailers: true }))
})
