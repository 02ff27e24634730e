import { describe, expect, test } from 'vitest'
import { forwardTo, ProxyBench, routeOf } from '../../test/support/proxy-bench.ts'
import { CONTINUE, type Filter, type FilterExchange, WAIT, type Waiter } from '../filters/filter.ts'
import { Headers } from '../http/headers.ts'
import { compileHeaders } from '../routing/header-mutation.ts'
import { failure } from '../upstream/failures.ts'

function filter(onRequest: (exchange: FilterExchange) => typeof CONTINUE | typeof WAIT): Filter {
  return { name: 'test', onRequest }
}

/** Appends its name to the field `x-order`. */
function editing(name: string): Filter {
  return filter((exchange) => {
    exchange.editResponse({
      editResponse: (headers) => headers.set('x-order', `${headers.get('x-order') ?? ''}${name}`),
    })
    return CONTINUE
  })
}

describe('what a filter changes in the response head', () => {
  const { mutation: responseHeaders } = compileHeaders(
    [{ set: { 'x-order': 'route ' } }],
    'response',
  )

  test('comes behind the operations of the route, the last filter first', () => {
    using bench = new ProxyBench()
    const filters = [editing('first '), editing('second ')]
    const client = bench.ingress(routeOf(forwardTo(bench.cluster), { filters, responseHeaders }))
    bench.cluster.attempts[0]!.heads(200, ['x-order', 'upstream']).ends()
    expect(client.headers.combined('x-order')).toBe('route second first ')
  })

  test('applies to answers of the gateway itself, too', () => {
    using bench = new ProxyBench()
    const client = bench.ingress(
      routeOf(forwardTo(bench.cluster), { filters: [editing('edited')] }),
    )
    bench.cluster.attempts[0]!.fails(failure('no-endpoint'))
    expect(client.status).toBe(503)
    expect(client.headers.get('x-order')).toBe('edited')
  })
})

describe('a filter that waits', () => {
  class Held implements Waiter {
    ends = 0

    exchangeEnded(): void {
      this.ends++
    }
  }

  function waiting(): { held: Held; seen: FilterExchange[]; filters: Filter[] } {
    const held = new Held()
    const seen: FilterExchange[] = []
    const waits = filter((exchange) => {
      seen.push(exchange)
      exchange.waitWith(held)
      return WAIT
    })
    return { held, seen, filters: [waits] }
  }

  test('is told once when the client goes', () => {
    using bench = new ProxyBench()
    const { held, seen, filters } = waiting()
    const client = bench.ingress(routeOf(forwardTo(bench.cluster), { filters }))
    expect(held.ends).toBe(0)
    client.clientAborts()
    seen[0]!.resume()
    expect(held.ends).toBe(1)
  })

  test.each(['resume', 'answer'] as const)('hears nothing more after it said %s', (way) => {
    using bench = new ProxyBench()
    const { held, seen, filters } = waiting()
    const client = bench.ingress(routeOf(forwardTo(bench.cluster), { filters }))
    if (way === 'resume') seen[0]!.resume()
    else seen[0]!.answer(500, new Headers(), '', '', '')
    client.clientAborts()
    expect(held.ends).toBe(0)
  })
})

describe('a flag of a request that goes on', () => {
  test('stands in the record', () => {
    using bench = new ProxyBench()
    const flags = filter((exchange) => {
      exchange.addFlag('DI')
      return CONTINUE
    })
    const client = bench.ingress(routeOf(forwardTo(bench.cluster), { filters: [flags] }))
    bench.cluster.attempts[0]!.heads(200).ends()
    client.flushed()
    expect(bench.records).toMatchObject([{ status: 200, flags: 'DI' }])
  })
})

test('a filter may name the gRPC status of its answer itself', () => {
  using bench = new ProxyBench()
  const answers: Filter = {
    name: 'test',
    onRequest: (exchange) => {
      exchange.answer(200, new Headers(['grpc-status', '9']), 'no', 'FI', 'test')
      return 1
    },
  }
  const headers = ['content-type', 'application/grpc']
  const client = bench.ingress(routeOf(forwardTo(bench.cluster), { filters: [answers] }), {
    headers,
  })
  expect(client.headers.combined('grpc-status')).toBe('9')
  client.flushed()
  expect(bench.records).toMatchObject([{ status: 200, grpcStatus: '9', flags: 'FI' }])
})
