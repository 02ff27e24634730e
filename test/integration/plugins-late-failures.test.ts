import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { WAYS } from '../fixtures/plugins/failing-late.ts'
import { WIRES } from '../support/both-wires.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { routedTo } from '../support/routed.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'

const PLUGIN = join(import.meta.dirname, '../fixtures/plugins/failing-late.ts')

const edge = (upstream: Upstream): Promise<TestGateway> =>
  startGateway(routedTo(upstream.port), { plugins: [PLUGIN], ports: [80] })

/** A small answer reaches hooks as a Buffer, a chunked one as a stream. */
const startAnswering = (): Promise<Upstream> =>
  startUpstream((request, response) => {
    response.setHeader('etag', '"of the upstream"')
    response.setHeader('content-type', 'text/plain')
    if (request.url!.startsWith('/stream/')) response.write('hello')
    response.end('hello')
  })

describe.each(WIRES)('$name: a plugin that fails late costs its own request', ({ ask }) => {
  test.each(WAYS.onSend)('a 500, with an onSend hook that gives %s', async (way) => {
    await using upstream = await startAnswering()
    await using gw = await edge(upstream)
    const port = gw.port(80)
    for (const kind of ['small', 'stream', 'own']) {
      const [answer, other] = await Promise.all([
        ask({ port, path: `/${kind}/onSend/${way}` }),
        ask({ port }),
      ])
      const isAnswered = way === 'a-payload-twice' || way === 'an-object-behind'
      expect([kind, answer.status, answer.isCut]).toEqual([kind, isAnswered ? 200 : 500, false])
      expect(answer.headers['x-bad']).toBeUndefined()
      if (!isAnswered) expect(answer.headers.etag).toBeUndefined()
      expect(other).toMatchObject({ status: 200, isCut: false })
    }
    await waitFor('the exchanges to be over', () => gw.gateway.activeExchanges === 0)
  })

  test.each([...WAYS.own.map((way) => `/own/${way}`), '/route/onSend/an-object', '/not-found'])(
    'a 500, with a route that fails: %s',
    async (path) => {
      await using upstream = await startAnswering()
      await using gw = await edge(upstream)
      const port = gw.port(80)
      const [answer, other] = await Promise.all([ask({ port, path }), ask({ port })])
      expect(answer).toMatchObject({ status: 500, isCut: false })
      expect(answer.headers['x-bad']).toBeUndefined()
      expect(other.body.toString()).toBe('hello')
      await waitFor('the exchanges to be over', () => gw.gateway.activeExchanges === 0)
    },
  )

  test('a 500, with a preParsing hook that gives no stream', async () => {
    await using upstream = await startAnswering()
    await using gw = await edge(upstream)
    const headers = { 'content-type': 'application/json' }
    const question = { port: gw.port(80), path: '/parsing', method: 'POST', headers, body: '{}' }
    expect(await ask(question)).toMatchObject({ status: 500, isCut: false })
  })

  test.each(WAYS.trailers)('its trailer, with one that %s', async (way) => {
    await using upstream = await startAnswering()
    await using gw = await edge(upstream)
    for (const path of [`/trailers/${way}`, `/streams/trailers/${way}`]) {
      const answer = await ask({ port: gw.port(80), path })
      expect(answer).toMatchObject({ status: 200, isCut: false })
      expect(answer.body.toString()).toBe('text')
      expect(answer.trailers['x-sum']).toBeUndefined()
    }
  })

  test.each(WAYS.badTrailers)('a reset, with a trailer of %s', async (way) => {
    await using upstream = await startAnswering()
    await using gw = await edge(upstream)
    const port = gw.port(80)
    expect((await ask({ port, path: `/bad-trailers/${way}` })).isCut).toBe(true)
    expect((await ask({ port })).body.toString()).toBe('hello')
  })

  test.each([...WAYS.behind.map((way) => `/behind/${way}`), '/onResponse/errs'])(
    'nothing, behind an answer that is complete: %s',
    async (path) => {
      await using upstream = await startAnswering()
      await using gw = await edge(upstream)
      const port = gw.port(80)
      expect(await ask({ port, path })).toMatchObject({ status: 200, isCut: false })
      await waitFor('the exchanges to be over', () => gw.gateway.activeExchanges === 0)
      expect((await ask({ port })).body.toString()).toBe('hello')
    },
  )
})
