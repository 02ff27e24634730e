import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { plainConnection } from '../../test/support/exchange-records.ts'
import { ProxyBench } from '../../test/support/proxy-bench.ts'
import type { TcpServerPlan } from '../snapshot/listener-plan.ts'
import { failure } from '../upstream/failures.ts'
import { handleTcp, MAX_EARLY_BYTES, type TcpDownstream, type TcpDownstreamHandler } from './tcp.ts'

/** An accepted connection without a socket. */
class ClientDouble implements TcpDownstream {
  readonly connection = plainConnection
  handler: TcpDownstreamHandler | null = null
  body = ''
  hasRoom = true
  paused = false
  ended = false
  aborted = false

  start(handler: TcpDownstreamHandler): void {
    this.handler = handler
  }

  send(chunk: Buffer): boolean {
    this.body += chunk.toString('latin1')
    return this.hasRoom
  }

  end(): void {
    this.ended = true
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  close(): void {
    this.aborted = true
  }

  abort(): void {
    this.aborted = true
  }
}

let bench: ProxyBench
let client: ClientDouble
beforeEach(() => {
  bench = new ProxyBench()
  client = new ClientDouble()
})
afterEach(() => {
  expect(bench.runtime.active).toBe(0)
  bench[Symbol.dispose]()
})

function accept(): TcpDownstreamHandler {
  handleTcp(bench.runtime, client, planOf())
  return client.handler!
}

function planOf(): TcpServerPlan {
  const destinations = [{ clusterName: 'db', cluster: bench.cluster.plan }]
  return { name: 'tcp.3306', destinations, cumulativeWeights: [1] }
}

describe('a TCP connection', () => {
  test('what it says before its endpoint is there is kept; bytes and half-closes pass', () => {
    bench.cluster.script.readyAtOnce = false
    const handler = accept()
    expect(client.paused).toBe(false)
    expect(bench.runtime.active).toBe(1)
    const early = Buffer.from('hello ')
    handler.onClientData(early)
    early.fill('x')
    expect(client.paused).toBe(false)
    const [tunnel] = bench.cluster.attempts
    tunnel!.ready()
    expect(client.paused).toBe(false)
    expect(tunnel!.body).toBe('hello ')
    tunnel!.sends('greeting')
    expect(client.body).toBe('greeting')
    handler.onClientData(Buffer.from('login'))
    handler.onClientEnd()
    expect(tunnel!.body).toBe('hello login')
    expect(tunnel!.ended).toBe(true)
    tunnel!.sends(' bye').ends()
    expect(client.body).toBe('greeting bye')
    expect(client.ended).toBe(true)
    handler.onClientClosed()
  })

  test('who says much before its endpoint is there is held back until then', () => {
    bench.cluster.script.readyAtOnce = false
    const handler = accept()
    const half = 'x'.repeat(MAX_EARLY_BYTES / 2)
    handler.onClientData(Buffer.from(half))
    expect(client.paused).toBe(false)
    handler.onClientData(Buffer.from(half))
    expect(client.paused).toBe(true)
    const [tunnel] = bench.cluster.attempts
    tunnel!.ready()
    expect(client.paused).toBe(false)
    expect(tunnel!.body).toBe(half + half)
    handler.onClientClosed()
  })

  test('an endpoint without room for what was said early holds the client back', () => {
    bench.cluster.script.readyAtOnce = false
    const handler = accept()
    handler.onClientData(Buffer.from('hello'))
    const [tunnel] = bench.cluster.attempts
    tunnel!.hasRoom = false
    tunnel!.ready()
    expect(client.paused).toBe(true)
    tunnel!.drains()
    expect(client.paused).toBe(false)
    handler.onClientClosed()
  })

  test('slow sides hold the other one back', () => {
    const handler = accept()
    const [tunnel] = bench.cluster.attempts
    tunnel!.hasRoom = false
    handler.onClientData(Buffer.from('x'))
    expect(client.paused).toBe(true)
    tunnel!.drains()
    expect(client.paused).toBe(false)
    client.hasRoom = false
    tunnel!.sends('y')
    expect(tunnel!.paused).toBe(true)
    handler.onClientDrain()
    expect(tunnel!.paused).toBe(false)
    handler.onClientClosed()
  })

  test('closes when its endpoint cannot be reached', () => {
    bench.cluster.script.readyAtOnce = false
    accept()
    bench.cluster.attempts[0]!.fails(failure('connect-refused'))
    expect(client.aborted).toBe(true)
  })

  test('gives its endpoint up when the client goes, once', () => {
    const handler = accept()
    handler.onClientClosed()
    handler.onClientClosed()
    expect(bench.cluster.attempts[0]!.aborted).toBe(true)
  })

  test('to a destination that does not exist is closed at once', () => {
    const destinations = [{ clusterName: 'gone', cluster: null }]
    handleTcp(bench.runtime, client, { name: 'tcp', destinations, cumulativeWeights: [1] })
    expect(client.aborted).toBe(true)
  })

  test('is split by weight', () => {
    const destinations = [
      { clusterName: 'gone', cluster: null },
      { clusterName: 'db', cluster: bench.cluster.plan },
    ]
    bench.random = 0.5
    handleTcp(bench.runtime, client, { name: 'tcp', destinations, cumulativeWeights: [1, 2] })
    expect(client.aborted).toBe(false)
    client.handler!.onClientClosed()
  })
})

describe('telemetry of a TCP connection', () => {
  const ended: { flags: string; opened: boolean; received: number; sent: number; host: string }[] =
    []
  const counters = { receivedBytes: 0, sentBytes: 0 }
  beforeEach(() => {
    ended.length = 0
    counters.receivedBytes = 0
    counters.sentBytes = 0
    bench.runtime.tcpObserver = {
      onTcpOpen: () => counters,
      onTcpEnd: (record, opened) =>
        ended.push({
          flags: record.flags,
          opened,
          received: record.bytesReceived,
          sent: record.bytesSent,
          host: record.upstreamHost,
        }),
    }
  })

  test('counts bytes as they pass and tells of the end once', () => {
    const handler = accept()
    const [tunnel] = bench.cluster.attempts
    handler.onClientData(Buffer.from('ping'))
    tunnel!.sends('pong!')
    expect(counters).toEqual({ receivedBytes: 4, sentBytes: 5 })
    expect(ended).toEqual([])
    handler.onClientClosed()
    handler.onClientClosed()
    expect(ended).toMatchObject([{ flags: '-', opened: true, received: 4, sent: 5 }])
  })

  test.each([
    { name: 'refused', type: 'connect-refused', flags: 'UF,URX' },
    { name: 'timed out', type: 'connect-timeout', flags: 'UF,URX' },
    { name: 'nobody healthy', type: 'no-endpoint', flags: 'UH' },
    { name: 'too many connections', type: 'overflow', flags: 'UO' },
    { name: 'no address', type: 'dns-failure', flags: 'DF' },
  ] as const)('$name: $flags', ({ type, flags }) => {
    bench.cluster.script.readyAtOnce = false
    accept()
    bench.cluster.attempts[0]!.fails(failure(type))
    expect(ended).toMatchObject([{ flags, opened: false }])
  })

  test('a client that leaves before there is an upstream: DC', () => {
    bench.cluster.script.readyAtOnce = false
    accept().onClientClosed()
    expect(ended).toMatchObject([{ flags: 'DC', opened: false }])
  })

  test('a destination that does not exist: NC', () => {
    const destinations = [{ clusterName: 'gone', cluster: null }]
    handleTcp(bench.runtime, client, { name: 'tcp', destinations, cumulativeWeights: [1] })
    expect(ended).toMatchObject([{ flags: 'NC', opened: false }])
  })
})
