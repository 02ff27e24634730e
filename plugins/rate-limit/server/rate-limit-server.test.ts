import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { rateLimitCaller } from '../../../test/support/rate-limit-service.ts'
import { waitFor } from '../../../test/support/wait.ts'
import { COUNTED, type Counting, type CounterStore, PENDING } from '../counter-store.ts'
import { parseDescriptorConfig } from '../descriptor-config.ts'
import type { DescriptorNode } from '../descriptor-tree.ts'
import { MemoryStore } from '../memory-store.ts'
import { RateLimitStats } from '../stats.ts'
import { RateLimitServer, type RateLimitServerOptions } from './rate-limit-server.ts'

const FILE = `domain: edge
descriptors: [{ key: user, rate_limit: { unit: year, requests_per_unit: 1000 } }]`

function rootOf(text: string): DescriptorNode {
  const parsed = parseDescriptorConfig(text)
  if ('error' in parsed) throw new Error(parsed.error)
  return parsed.root
}

interface Started extends AsyncDisposable {
  readonly server: RateLimitServer
}

async function start(
  options: Partial<RateLimitServerOptions> = {},
  store: CounterStore = new MemoryStore(),
): Promise<Started> {
  const root = rootOf(FILE)
  const domains = { find: (domain: string) => (domain === 'edge' ? root : null) }
  const server = await RateLimitServer.start(
    { domains, store, stats: new RateLimitStats(), responseHeaders: false },
    { host: '127.0.0.1', port: 0, ...options },
  )
  return { server, [Symbol.asyncDispose]: () => server.close() }
}

const ASKED = { domain: 'edge', descriptors: [{ entries: [['user', 'ada']] }] } as const

function open(port: number): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  return socket
}

test('connections of a certain age are asked to come again, and no call is lost', async () => {
  await using started = await start({ maxConnectionAgeMs: 60 })
  await using caller = rateLimitCaller(started.server.port)
  const connections = new Set<number>()
  let calls = 0
  await waitFor('a third connection', async () => {
    expect(await caller.ask(ASKED)).toMatchObject({ code: 1 })
    calls++
    connections.add(started.server.accepted)
    return connections.size >= 3
  })
  const answer = await caller.ask(ASKED)
  expect(answer.statuses?.[0]?.remaining).toBe(1000 - calls - 1)
})

test('a preface that comes in pieces is HTTP/2, a method that begins like it is not', async () => {
  await using started = await start()
  const slow = open(started.server.port)
  let received = Buffer.alloc(0)
  slow.on('data', (chunk: Buffer) => (received = Buffer.concat([received, chunk])))
  await once(slow, 'connect')
  for (const piece of ['P', 'RI * HT', 'TP/2.0\r\n\r\nSM\r\n\r\n']) {
    slow.setNoDelay(true).write(piece)
    await new Promise((resolve) => setImmediate(resolve))
  }
  slow.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]))
  // A SETTINGS frame: length, then type 4.
  await waitFor('settings', () => received.length > 9 && received[3] === 4)
  slow.destroy()

  const put = open(started.server.port)
  let text = ''
  put.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  put.write('PUT /json HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n')
  await waitFor('an answer', () => text.startsWith('HTTP/1.1 405'))
  put.destroy()
})

test.for([
  { name: 'nothing', bytes: '' },
  { name: 'a part of the preface', bytes: 'PRI * H' },
  { name: 'half a head', bytes: 'POST /json HTTP/1.1\r\nhost' },
  { name: 'half a body', bytes: 'POST /json HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{' },
])('a connection that says $name is closed in time', async ({ bytes }) => {
  await using started = await start({ requestTimeoutMs: 80 })
  const socket = open(started.server.port).resume()
  socket.write(bytes)
  await once(socket, 'close')
})

test('a drain lets open calls end and takes no new connections', async () => {
  const waiting: Counting[] = []
  const memory = new MemoryStore()
  const store: CounterStore = {
    envoyKeys: false,
    count: (counting) => {
      waiting.push(counting)
      return PENDING
    },
    status: () => memory.status(),
    close: () => memory.close(),
  }
  await using started = await start({}, store)
  const { server } = started
  await using caller = rateLimitCaller(server.port)
  const answer = caller.ask(ASKED)
  await waitFor('the question', () => waiting.length === 1)
  expect(server.openCalls).toBe(1)
  server.drain(5000)
  await expect(once(open(server.port), 'connect')).rejects.toThrow('ECONNREFUSED')
  expect(memory.count(waiting[0]!)).toBe(COUNTED)
  waiting[0]!.counted()
  expect(await answer).toMatchObject({ code: 1, statuses: [{ remaining: 999 }] })
  expect(server.openCalls).toBe(0)
})

test('a caller that gives up is not answered, and nothing is left open', async () => {
  const waiting: Counting[] = []
  const memory = new MemoryStore()
  const store: CounterStore = {
    envoyKeys: false,
    count: (counting) => {
      waiting.push(counting)
      return PENDING
    },
    status: () => memory.status(),
    close: () => memory.close(),
  }
  await using started = await start({}, store)
  const caller = rateLimitCaller(started.server.port)
  const answer = caller.ask(ASKED).catch(() => 'gone')
  await waitFor('the question', () => waiting.length === 1)
  caller.client.close()
  for (const socket of started.server.connections) socket.destroy()
  expect(await answer).toBe('gone')
  waiting[0]!.failed()
  expect(started.server.openCalls).toBe(0)
})

test('bytes that break HTTP/2 end their connection and nothing else', async () => {
  await using started = await start()
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
  for (const rest of ['garbage '.repeat(20), '\0\0\xff\x08\0\0\0\0\0', '']) {
    const socket = open(started.server.port).resume()
    socket.end(Buffer.from(preface + rest, 'latin1'))
    await once(socket, 'close')
  }
  await using caller = rateLimitCaller(started.server.port)
  expect(await caller.ask(ASKED)).toMatchObject({ code: 1 })
})
