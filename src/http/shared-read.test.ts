import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { connect as connectTls, TLSSocket } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { socketPair } from '../../test/support/socket-pair.ts'
import { waitFor } from '../../test/support/wait.ts'
import { readShared, releaseReads, takeReads } from './shared-read.ts'
import { isVolatile, type ChunkReader } from './socket-reads.ts'

const open: (() => void)[] = []

afterEach(() => {
  for (const close of open.splice(0).reverse()) close()
})

const pair = (): Promise<[Socket, Socket]> => socketPair(open)

test('this Node lets accepted and connected sockets read into the shared buffer', async () => {
  const [accepted, client] = await pair()
  expect(readShared(accepted, { onChunk() {} })).toBe(true)
  expect(readShared(client, { onChunk() {} })).toBe(true)
  expect(readShared(client, { onChunk() {} })).toBe(false)
})

test('reads of all sockets use one memory; bytes, pause, resume and end work', async () => {
  const memories = new Set<ArrayBufferLike>()
  const texts: [string, string] = ['', '']
  const first = await pair()
  const second = await pair()
  for (const [index, [ours]] of [first, second].entries()) {
    const onChunk = (chunk: Buffer): void => {
      memories.add(chunk.buffer)
      texts[index as 0 | 1] += chunk.toString()
    }
    const taken = readShared(ours, { onChunk })
    expect(taken).toBe(true)
    ours.resume()
  }
  first[1].write('one')
  second[1].write('two')
  await waitFor('both', () => texts[0] === 'one' && texts[1] === 'two')
  expect(memories.size).toBe(1)
  first[0].pause()
  first[1].write('more')
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(texts[0]).toBe('one')
  let ended = false
  first[0].on('end', () => (ended = true))
  first[0].resume()
  await waitFor('the rest', () => texts[0] === 'onemore')
  first[1].end()
  await waitFor('the end', () => ended)
})

test('a socket that already read by events goes over without losing a byte', async () => {
  const [ours, theirs] = await pair()
  let text = ''
  ours.once('data', (chunk: Buffer) => {
    text += chunk.toString()
    process.nextTick(() => {
      const onChunk = (later: Buffer): void => {
        text += later.toString()
      }
      expect(readShared(ours, { onChunk })).toBe(true)
    })
  })
  theirs.write('first ')
  await waitFor('the first read', () => text === 'first ')
  for (let i = 0; i < 100; i++) theirs.write(`${i} `)
  await waitFor('the rest', () => text.endsWith('99 '))
  expect(text).toBe(`first ${Array.from({ length: 100 }, (_, i) => `${i} `).join('')}`)
})

test('another reader takes over within a chunk, and gets all that follows', async () => {
  const [ours, theirs] = await pair()
  const texts = ['', '']
  const second: ChunkReader = {
    onChunk(later) {
      texts[1] += later.toString()
    },
  }
  readShared(ours, {
    onChunk(chunk) {
      texts[0] += chunk.toString()
      expect(takeReads(ours, second)).toBe(true)
    },
  })
  theirs.write('first')
  await waitFor('the first read', () => texts[0] === 'first')
  theirs.write('second')
  await waitFor('the second read', () => texts[1] === 'second')
  expect(texts[0]).toBe('first')
  expect(takeReads(theirs, { onChunk() {} })).toBe(false)
})

test('released reads go to the stream as copies, no more than it has room for', async () => {
  const size = 8_000_000
  const [ours, theirs] = await pair()
  let released = false
  readShared(ours, {
    onChunk() {
      released = true
      releaseReads(ours)
      ours.pause()
    },
  })
  theirs.write('first')
  await waitFor('the first read', () => released)
  theirs.end(Buffer.alloc(size, 'x'))
  let received = 0
  let ended = false
  ours.on('data', (chunk: Buffer) => {
    expect(isVolatile(chunk)).toBe(false)
    expect(ours.readableLength).toBeLessThan(200_000)
    received += chunk.length
    ours.pause()
    setImmediate(() => ours.resume())
  })
  ours.on('end', () => (ended = true))
  ours.resume()
  await waitFor('the end', () => ended)
  expect(received).toBe(size)
})

test('what is read moves the timer on that a socket has', async () => {
  const [ours, theirs] = await pair()
  let read = 0
  let timeouts = 0
  ours.setTimeout(300, () => timeouts++)
  const onChunk = (chunk: Buffer): void => {
    read += chunk.length
    if (read < 12) setTimeout(() => theirs.write('x'), 50)
  }
  readShared(ours, { onChunk })
  ours.resume()
  theirs.write('x')
  await waitFor('all bytes', () => read === 12)
  expect(timeouts).toBe(0)
  await waitFor('the timeout', () => timeouts === 1)
})

test('a socket destroyed within a chunk hands out no other', async () => {
  const [ours, theirs] = await pair()
  const texts: string[] = []
  const onChunk = (chunk: Buffer): void => {
    texts.push(chunk.toString())
    theirs.write('more')
    ours.destroy()
  }
  readShared(ours, { onChunk })
  ours.resume()
  theirs.on('error', () => {})
  theirs.write('first')
  await new Promise((resolve) => theirs.once('close', resolve))
  expect(texts).toEqual(['first'])
})

test('what is no TCP socket is left alone', async () => {
  const [ours] = await pair()
  ours.destroy()
  expect(readShared(ours, { onChunk() {} })).toBe(false)
})

describe('over TLS', () => {
  const { certificate, key } = Authority.create('test authority').issue(['shop.test'])

  /** Server and client end, their handshake done. */
  async function securePair(): Promise<[TLSSocket, TLSSocket]> {
    const [accepted, client] = await pair()
    const server = new TLSSocket(accepted, { isServer: true, cert: certificate, key })
    const secure = connectTls({ socket: client, rejectUnauthorized: false })
    let secured = 0
    server.on('secure', () => secured++)
    secure.on('secureConnect', () => secured++)
    await waitFor('both handshakes', () => secured === 2)
    return [server, secure]
  }

  test('both ends read into the shared buffer', async () => {
    const memories = new Set<ArrayBufferLike>()
    let text = ''
    const onChunk = (chunk: Buffer): void => {
      memories.add(chunk.buffer)
      text += chunk.toString()
    }
    const [server, client] = await securePair()
    for (const socket of [server, client]) {
      expect(readShared(socket, { onChunk })).toBe(true)
      socket.resume()
    }
    client.write('to the server ')
    await waitFor('one way', () => text === 'to the server ')
    server.write('and back')
    await waitFor('both ways', () => text === 'to the server and back')
    expect(memories.size).toBe(1)
    let ended = false
    server.on('end', () => (ended = true))
    client.end()
    await waitFor('the end', () => ended)
  })

  test('a stream that is paused again and again arrives as it was sent', async () => {
    const size = 8_000_000
    const sent = Buffer.from(
      Uint32Array.from({ length: size / 4 }, (_, i) => i * 2_654_435_761).buffer,
    )
    const [server, client] = await securePair()
    const hash = createHash('sha256')
    let received = 0
    let readsWhilePaused = 0
    const onChunk = (chunk: Buffer): void => {
      // Bytes that were read before the pause may follow it; they are a few records.
      if (server.isPaused()) readsWhilePaused += chunk.length
      hash.update(chunk)
      received += chunk.length
      if (received % 3 !== 0) return
      server.pause()
      readsWhilePaused = 0
      setImmediate(() => {
        expect(readsWhilePaused).toBeLessThan(200_000)
        server.resume()
      })
    }
    expect(readShared(server, { onChunk })).toBe(true)
    server.resume()
    client.end(sent)
    let ended = false
    server.on('end', () => (ended = true))
    await waitFor('the end', () => ended)
    expect(received).toBe(size)
    expect(hash.digest('hex')).toBe(createHash('sha256').update(sent).digest('hex'))
  })
})
