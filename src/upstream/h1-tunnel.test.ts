import { connect, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { RawServer } from '../../test/support/raw-socket.ts'
import { waitFor } from '../../test/support/wait.ts'
import type { UpstreamFailure } from './failure.ts'
import { socketAddress, TunnelConnection } from './h1-tunnel.ts'
import type { AttemptObserver, UpstreamHandler } from './transport.ts'

class Recorder implements UpstreamHandler, AttemptObserver {
  readonly events: string[] = []
  readonly counts: string[] = []
  body = ''
  failure: UpstreamFailure | null = null
  onUpstreamReady(): void {
    this.events.push('ready')
  }
  onUpstreamInformational(): void {}
  onUpstreamHead(): void {
    this.events.push('head')
  }
  onUpstreamBody(chunk: Buffer): void {
    this.body += chunk.toString('latin1')
  }
  onUpstreamEnd(): void {
    this.events.push('end')
  }
  onUpstreamDrain(): void {
    this.events.push('drain')
  }
  onUpstreamFailure(failure: UpstreamFailure): void {
    this.events.push('failure')
    this.failure = failure
  }
  onAttemptStart(): void {
    this.counts.push('start')
  }
  onAttemptStatus(status: number): void {
    this.counts.push(`status:${status}`)
  }
  onAttemptFailure(failure: UpstreamFailure): void {
    this.counts.push(`failure:${failure.type}`)
  }
  onAttemptEnd(): void {
    this.counts.push('end')
  }
}

const open: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

async function startTunnel(
  onSocket: (socket: Socket) => void,
  idleTimeoutMs = 0,
): Promise<[TunnelConnection, Recorder]> {
  const backend = await new RawServer((socket) => {
    socket.on('error', () => {})
    onSocket(socket)
  }).listen()
  open.push(() => backend[Symbol.asyncDispose]())
  const socket = connect(backend.port, '127.0.0.1')
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  open.push(() => {
    socket.destroy()
  })
  const recorder = new Recorder()
  const tunnel = new TunnelConnection(socket, idleTimeoutMs, recorder, recorder)
  tunnel.start()
  return [tunnel, recorder]
}

test('a server that speaks first, an echo, and a half-close that leaves the other side open', async () => {
  const [tunnel, recorder] = await startTunnel((socket) => {
    socket.write('hello ')
    socket.on('data', (chunk) => socket.write(chunk))
    socket.on('end', () => socket.end('last'))
  })
  expect(recorder.events).toEqual(['ready'])
  await waitFor('the greeting', () => recorder.body === 'hello ')
  tunnel.sendBody(Buffer.from('ping '))
  await waitFor('the echo', () => recorder.body === 'hello ping ')
  tunnel.sendEnd()
  await waitFor('the end', () => recorder.counts.includes('end'))
  expect(recorder.body).toBe('hello ping last')
  expect(recorder.events).toEqual(['ready', 'end'])
  expect(recorder.counts).toEqual(['start', 'status:200', 'end'])
})

test('after the peer closed its side ours still sends', async () => {
  let received = ''
  const [tunnel, recorder] = await startTunnel((socket) => {
    socket.end('bye')
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()))
  })
  await waitFor('the half-close', () => recorder.events.includes('end'))
  tunnel.sendBody(Buffer.from('still here'))
  await waitFor('the bytes', () => received === 'still here')
  tunnel.sendEnd()
  await waitFor('the end', () => recorder.counts.includes('end'))
  expect(recorder.failure).toBeNull()
})

test('a reset is a failure', async () => {
  const [, recorder] = await startTunnel((socket) => setImmediate(() => socket.resetAndDestroy()))
  await waitFor('the failure', () => recorder.failure !== null)
  expect(recorder.failure).toMatchObject({ type: 'reset-after-headers', flag: 'UC' })
  expect(recorder.counts).toEqual(['start', 'status:200', 'failure:reset-after-headers', 'end'])
})

test('a tunnel without bytes is closed after its idle time', async () => {
  const [, recorder] = await startTunnel(() => {}, 40)
  await waitFor('the failure', () => recorder.failure !== null)
})

test('abort() calls nothing back', async () => {
  let closed = false
  const [tunnel, recorder] = await startTunnel((socket) =>
    socket
      .on('close', () => (closed = true))
      .resume()
      .on('end', () => socket.end()),
  )
  tunnel.abort()
  await waitFor('the close', () => closed)
  expect(recorder.events).toEqual(['ready'])
  expect(recorder.counts).toEqual(['start', 'status:200', 'end'])
})

test('sendBody says when to wait, and drain follows', async () => {
  const [tunnel, recorder] = await startTunnel((socket) => {
    socket.pause()
    setTimeout(() => socket.resume(), 50)
  })
  const chunk = Buffer.alloc(65_536)
  for (let i = 0; i < 1000 && tunnel.sendBody(chunk); i++) continue
  await waitFor('drain', () => recorder.events.includes('drain'))
})

test.each([
  ['10.0.0.1', 80, '10.0.0.1:80'],
  ['::1', 80, '[::1]:80'],
  ['::ffff:10.0.0.1', 80, '10.0.0.1:80'],
  [undefined, undefined, ''],
])('socketAddress(%s, %s) is %j', (address, port, expected) => {
  expect(socketAddress(address, port)).toBe(expected)
})
