import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { kinds } from '../fixtures/plugins/answer-kinds.ts'
import { WIRES } from '../support/both-wires.ts'
import { startGateway } from '../support/gateway.ts'
import { routedTo } from '../support/routed.ts'
import { startUpstream } from '../support/upstream.ts'

const PLUGIN = join(import.meta.dirname, '../fixtures/plugins/answer-kinds.ts')
const BIG = 100_000

const ANSWERS: readonly [what: string, path: string, saw: readonly string[], length: number][] = [
  ['an object of a route', '/own/object', ['preSerialization object', 'onSend string'], 12],
  ['text of a route', '/own/text', ['onSend string'], 3],
  ['a stream of a route', '/own/stream', ['onSend stream'], 3],
  ['a small proxied answer', '/small', ['onSend Buffer'], 2],
  ['a large proxied answer', '/large', ['onSend stream'], BIG],
  ['a proxied answer of unknown length', '/chunked', ['onSend stream'], 6],
  ['a proxied answer without body', '/empty', ['onSend undefined'], 0],
]

describe.each(WIRES)('$name: what hooks see of', ({ ask }) => {
  beforeEach(() => {
    kinds.length = 0
  })

  test.each(ANSWERS)('%s', async (_what, path, saw, length) => {
    await using upstream = await startUpstream((request, response) => {
      response.setHeader('content-type', 'application/json')
      if (request.url === '/small') response.end('{}')
      else if (request.url === '/large') response.end('x'.repeat(BIG))
      else if (request.url === '/empty') response.writeHead(204).end()
      else {
        response.write('one')
        response.end('two')
      }
    })
    await using gw = await startGateway(routedTo(upstream.port), { plugins: [PLUGIN], ports: [80] })
    const answer = await ask({ port: gw.port(80), path })
    expect([answer.body.length, answer.isCut]).toEqual([length, false])
    expect(kinds).toEqual(saw)
  })
})
