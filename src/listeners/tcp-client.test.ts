import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { waitFor } from '../../test/support/wait.ts'
import type { TcpDownstreamHandler } from '../proxy/tcp.ts'
import { TcpClient } from './tcp-client.ts'

/** Far more than a kernel buffers between two sockets. */
const MUCH = 64 * 1024 * 1024

class Recorder implements TcpDownstreamHandler {
  readonly events: string[] = []
  onClientData(chunk: Buffer): void {
    this.events.push(`data ${chunk.toString('latin1')}`)
  }

  onClientEnd(): void {
    this.events.push('end')
  }

  onClientDrain(): void {
    this.events.push('drain')
  }

  onClientClosed(): void {
    this.events.push('closed')
  }
}

let server: Server
let far: Socket
let near: Socket
let client: TcpClient
let recorder: Recorder

beforeEach(async () => {
  server = createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  far = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  })
  far.on('error', () => undefined)
  const [socket] = await accepted
  near = socket
  client = new TcpClient(near)
  recorder = new Recorder()
})
afterEach(async () => {
  far.destroy()
  near.destroy()
  server.close()
  await once(server, 'close')
})

describe('an accepted connection', () => {
  test('paused before it starts, it delivers nothing until resumed', async () => {
    client.pause()
    client.start(recorder)
    await new Promise((resolve) => far.write('hello', resolve))
    // Turns of the loop in which the bytes would have come: loopback delivers at once.
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(recorder.events).toEqual([])
    client.resume()
    await waitFor('the bytes', () => recorder.events.length > 0)
    expect(recorder.events).toEqual(['data hello'])
  })

  test('keeps half-closes apart', async () => {
    client.start(recorder)
    far.end('bye')
    await waitFor('the half-close', () => recorder.events.includes('end'))
    expect(client.send(Buffer.from('last words'))).toBe(true)
    client.end()
    let text = ''
    far.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    await once(far, 'end')
    expect(text).toBe('last words')
    await waitFor('the close', () => recorder.events.includes('closed'))
  })

  test('whenever it says it has no room, it says later that it has', async () => {
    client.start(recorder)
    far.pause()
    const chunk = Buffer.alloc(4096, 1)
    let full = 0
    let drains = 0
    let sent = 0
    // Every size of backlog that a refusal can leave behind must end in a drain.
    while (sent < MUCH && full < 3) {
      sent += chunk.length
      if (client.send(chunk)) continue
      full++
      far.resume()
      await waitFor(
        'a drain',
        () => recorder.events.filter((event) => event === 'drain').length > drains,
      )
      drains = recorder.events.filter((event) => event === 'drain').length
      far.pause()
    }
    expect(full).toBe(3)
  })

  test('aborted it is closed without a word to its handler', async () => {
    client.start(recorder)
    const closed = once(near, 'close')
    client.abort()
    await closed
    expect(recorder.events).toEqual([])
  })
})
