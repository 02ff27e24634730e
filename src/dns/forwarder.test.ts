import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { type Answer, decode, encode, type Packet, TRUNCATED_RESPONSE } from 'dns-packet'
import { expect, test } from 'vitest'
import { Forwarder } from './forwarder.ts'
import { type DnsQuery, parseQuery, RCODE } from './message.ts'
import type { NameServer } from './name-server.ts'

/** A name server whose answers the test writes: by UDP, and by TCP on the same port. */
interface Scripted extends AsyncDisposable, NameServer {
  /** Queries that came, by transport. */
  readonly asked: string[]
  /** Makes the messages that go back for a query; none: it is silent. */
  reply: (query: Packet, transport: 'udp' | 'tcp') => readonly Packet[]
  /** Sends answers to all that came by UDP while `reply` gave none. */
  release(): void
  waiting: number
}

async function scripted(reply: Scripted['reply']): Promise<Scripted> {
  const udp = createSocket('udp4')
  const held: (() => void)[] = []
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (bytes: Buffer) => {
      server.asked.push('tcp')
      for (const packet of server.reply(decode(bytes.subarray(2)), 'tcp')) {
        const message = encode(packet)
        const length = Buffer.alloc(2)
        length.writeUInt16BE(message.length, 0)
        // In two pieces: a stream has no message boundaries.
        socket.write(length)
        socket.write(message)
      }
    })
  })
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve))
  const bound = tcp.address()
  if (bound === null || typeof bound === 'string') throw new Error('no port')
  await new Promise<void>((resolve) => udp.bind(bound.port, '127.0.0.1', resolve))
  const server: Scripted = {
    host: '127.0.0.1',
    port: bound.port,
    asked: [],
    waiting: 0,
    reply,
    release: () => held.splice(0).forEach((send) => send()),
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => udp.close(() => resolve()))
      await new Promise<void>((resolve) => tcp.close(() => resolve()))
    },
  }
  udp.on('message', (bytes, peer) => {
    server.asked.push('udp')
    const query = decode(bytes)
    const send = (): void => {
      for (const packet of server.reply(query, 'udp')) {
        udp.send(encode(packet), peer.port, peer.address)
      }
    }
    if (server.reply(query, 'udp').length > 0) send()
    else held.push(send)
    server.waiting = held.length
  })
  return server
}

function replyTo(query: Packet, fields: Packet): Packet {
  return {
    type: 'response',
    ...(query.id === undefined ? {} : { id: query.id }),
    ...(query.questions === undefined ? {} : { questions: query.questions }),
    ...fields,
  }
}

function address(data: string, ttl = 60): Answer {
  return { type: 'A', name: 'web.test', ttl, data }
}

function query(name = 'web.test'): DnsQuery {
  const parsed = parseQuery(encode({ type: 'query', questions: [{ name, type: 'A' }] }))
  if ('reply' in parsed) throw new Error('this is no query')
  return parsed
}

async function ask(forwarder: Forwarder): Promise<readonly string[]> {
  const { answered, fromCache } = await forwarder.forward(query())
  const values = answered.answers.map((record) => ('data' in record ? String(record.data) : ''))
  return [`${answered.rcode}${fromCache ? ' cached' : ''}`, ...values]
}

async function until(condition: () => boolean): Promise<void> {
  await expect.poll(condition, { interval: 5, timeout: 5_000 }).toBe(true)
}

test('an answer that was cut off is asked for again by TCP', async () => {
  await using server = await scripted((asked, transport) =>
    transport === 'udp'
      ? [replyTo(asked, { flags: TRUNCATED_RESPONSE })]
      : [replyTo(asked, { answers: [address('192.0.2.1')] })],
  )
  const forwarder = new Forwarder({ servers: () => [server] })
  expect(await ask(forwarder)).toEqual(['0', '192.0.2.1'])
  expect(server.asked).toEqual(['udp', 'tcp'])
})

test('one question is asked once however many wait for it', async () => {
  await using server = await scripted(() => [])
  const forwarder = new Forwarder({ servers: () => [server] })
  const waiting = Array.from({ length: 50 }, () => ask(forwarder))
  await until(() => server.waiting === 1)
  server.reply = (asked) => [replyTo(asked, { answers: [address('192.0.2.1')] })]
  server.release()
  for (const answer of await Promise.all(waiting)) expect(answer).toEqual(['0', '192.0.2.1'])
  expect(server.asked).toEqual(['udp'])
})

test('answers to other questions and with other ids are passed over', async () => {
  await using server = await scripted((asked) => [
    replyTo(asked, { id: ((asked.id ?? 0) + 1) % 65_536, answers: [address('192.0.2.66')] }),
    replyTo(asked, {
      questions: [{ name: 'other.test', type: 'A' }],
      answers: [address('192.0.2.67')],
    }),
    replyTo(asked, { answers: [address('192.0.2.1')] }),
  ])
  const forwarder = new Forwarder({ servers: () => [server] })
  expect(await ask(forwarder)).toEqual(['0', '192.0.2.1'])
})

test('a server that fails is passed over; when all fail the answer is SERVFAIL', async () => {
  const failing: Scripted['reply'] = (asked) => [replyTo(asked, { flags: RCODE.servFail })]
  await using broken = await scripted(failing)
  await using fine = await scripted((asked) => [
    replyTo(asked, { answers: [address('192.0.2.1')] }),
  ])
  expect(await ask(new Forwarder({ servers: () => [broken, fine] }))).toEqual(['0', '192.0.2.1'])
  expect(await ask(new Forwarder({ servers: () => [broken] }))).toEqual(['2'])
  expect(await ask(new Forwarder({ servers: () => [] }))).toEqual(['2'])
})

test('a server that does not know EDNS is asked without it', async () => {
  await using server = await scripted((asked) =>
    (asked.additionals ?? []).length > 0
      ? [replyTo(asked, { flags: RCODE.formErr })]
      : [replyTo(asked, { answers: [address('192.0.2.1')] })],
  )
  expect(await ask(new Forwarder({ servers: () => [server] }))).toEqual(['0', '192.0.2.1'])
})

test('closing ends what is being asked', async () => {
  await using server = await scripted(() => [])
  const forwarder = new Forwarder({ servers: () => [server] })
  const waiting = ask(forwarder)
  await until(() => server.waiting === 1)
  forwarder.close()
  expect(await waiting).toEqual(['2'])
  expect(await ask(forwarder)).toEqual(['2'])
})

test('answers are kept for their TTL, which counts down', async () => {
  await using server = await scripted((asked) => [
    replyTo(asked, { answers: [address('192.0.2.1', 60)] }),
  ])
  let now = 1_000
  const forwarder = new Forwarder({ servers: () => [server], now: () => now })
  expect(await ask(forwarder)).toEqual(['0', '192.0.2.1'])
  now += 59_999
  const { answered, fromCache } = await forwarder.forward(query())
  expect([fromCache, answered.answers[0]?.ttl]).toEqual([true, 1])
  now += 1
  expect(await ask(forwarder)).toEqual(['0', '192.0.2.1'])
  expect(server.asked).toHaveLength(2)
})
