import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  DATA,
  END_STREAM,
  frame,
  FrameClient,
  GOAWAY,
  headFrames,
  RST_STREAM,
} from '../support/h2-frames.ts'
import { type TranslatedRequest, translateToHttp2 } from '../support/h2-translation.ts'
import { isGuarded, WireBench } from '../support/wire-gateway.ts'
import { corpus } from './corpus/all.ts'
import type { WireCase } from './corpus/case.ts'

interface TranslatedCase extends WireCase {
  readonly request: TranslatedRequest
}

let bench: WireBench

beforeAll(async () => {
  bench = await WireBench.start()
})

afterAll(async () => {
  await bench[Symbol.asyncDispose]()
})

const translated: readonly TranslatedCase[] = corpus.flatMap((wire) => {
  const request = translateToHttp2(wire.bytes)
  return request === null ? [] : [{ ...wire, request }]
})

/** Sends one request and waits until its stream, or the whole connection, is over. */
async function send(request: TranslatedRequest): Promise<void> {
  const client = await FrameClient.open(bench.gateway.port(80))
  const bodiless = request.body === ''
  client.send(...headFrames(1, request.fields, bodiless ? END_STREAM : 0))
  if (!bodiless) client.send(frame(DATA, END_STREAM, 1, Buffer.from(request.body, 'latin1')))
  const over = (): boolean =>
    client.closed ||
    client.find(GOAWAY) !== undefined ||
    client.find(RST_STREAM, 1) !== undefined ||
    client.frames.some((seen) => seen.stream === 1 && (seen.flags & END_STREAM) !== 0)
  await client.until('the end of the stream', over)
  client.socket.destroy()
}

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

/** Why HTTP/2 refuses what HTTP/1.1 lets pass, or null (RFC 9113 8.1.1, 8.2.2, 8.3.1). */
function refusedByHttp2({ fields, body }: TranslatedRequest): string | null {
  for (const [name, value] of fields) {
    if (HOP_BY_HOP.has(name)) return `${name} belongs to one hop`
    if (name === 'te' && value !== 'trailers') return 'only trailers may be asked for'
    if (name === 'content-length' && Number(value) !== body.length) return 'not its length'
    if (name === ':path' && !/^[/*]/.test(value)) return 'no absolute-form in :path'
  }
  return null
}

/** Refused in HTTP/1.1 for what HTTP/2 does not have. */
const ONLY_IN_HTTP1: ReadonlySet<string> = new Set([
  // The second is a copy of :authority.
  'two equal Hosts',
  // Host is no field any more, so there are 100.
  '101 fields',
])

function isClean([name, value]: readonly [string, string]): boolean {
  // oxlint-disable-next-line no-control-regex -- the tab is allowed in values
  return /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
}

describe('translated to HTTP/2', () => {
  test.each(translated)('$name', async ({ name, expected, request }) => {
    bench.backend.mark()
    await bench.amidOthers(send(request))
    const seen = await bench.settled()
    expect(bench.backend.findings, 'what the readers disagree on').toEqual([])
    expect(seen.filter(isGuarded), 'requests smuggled past the guard').toEqual([])
    const complete = seen.filter((each) => each.complete)
    expect(complete.length).toBeLessThanOrEqual(1)
    if (expected.forwarded > 0) {
      expect(complete.length, refusedByHttp2(request) ?? '').toBe(
        refusedByHttp2(request) === null ? 1 : 0,
      )
    } else if (complete.length > 0 && !ONLY_IN_HTTP1.has(name)) {
      // nghttp2 leaves a malformed field out; then what is left must be without it.
      const odd = request.fields.filter((field) => !isClean(field))
      expect(odd).not.toEqual([])
      const sent = new Set(request.fields.filter(isClean).map(([key, value]) => `${key}: ${value}`))
      const foreign = complete[0]!.fields.filter((field) => !sent.has(field) && !OWN.test(field))
      expect(foreign).toEqual([])
    }
  })
})

/** Fields of the gateway and of its framing. */
const OWN =
  /^(?:host|x-forwarded-\w+|x-request-id|x-envoy-[\w-]+|transfer-encoding|content-length): /
