import { randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const RELOADS = 50
const CLIENTS = 8
const WEBSOCKETS = 10

function route(target: string, extra = ''): string {
  return virtualService(
    'app',
    ['app.test'],
    ['gw'],
    `  - route: [{ destination: { host: ${target} } }]
    headers: { response: { set: { x-version: "${target}${extra}" } } }`,
  )
}

/** An echoing WebSocket upstream: answers 101 and sends every byte back. */
async function startEcho(): Promise<{ port: number } & AsyncDisposable> {
  const upstream = await startUpstream(() => undefined)
  const open = new Set<Socket>()
  upstream.server.on('upgrade', (_request, socket: Socket, head) => {
    open.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => open.delete(socket))
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    )
    if (head.length > 0) socket.write(head)
    socket.pipe(socket)
  })
  return {
    port: upstream.port,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      await upstream[Symbol.asyncDispose]()
    },
  }
}

async function openWebSocket(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.write(
    'GET /ws HTTP/1.1\r\nhost: ws.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
      `sec-websocket-version: 13\r\nsec-websocket-key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
  )
  const [head] = (await once(socket, 'data')) as [Buffer]
  expect(head.toString('latin1')).toMatch(/^HTTP\/1\.1 101 /)
  return socket
}

async function echo(socket: Socket, text: string): Promise<string> {
  let received = ''
  const answered = new Promise<string>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      received += chunk.toString('latin1')
      if (received.length < text.length) return
      socket.off('data', onData)
      resolve(received)
    }
    socket.on('data', onData)
    socket.once('close', () => reject(new Error('the WebSocket was closed')))
  })
  socket.write(text)
  return answered
}

/** Sends requests one after another on a kept connection until told to stop. */
async function hammer(
  port: number,
  stop: () => boolean,
): Promise<{ sent: number; failures: string[] }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const failures: string[] = []
  let sent = 0
  while (!stop()) {
    sent++
    await new Promise<void>((resolve) => {
      const sending = request(
        { host: '127.0.0.1', port, path: '/', headers: { host: 'app.test' }, agent },
        (response) => {
          if (response.statusCode !== 200) failures.push(`status ${response.statusCode}`)
          response.resume()
          response.on('end', resolve)
          response.on('error', (error) => {
            failures.push(error.message)
            resolve()
          })
        },
      )
      sending.on('error', (error) => {
        failures.push(error.message)
        resolve()
      })
      sending.end()
    })
  }
  agent.destroy()
  return { sent, failures }
}

test('fifty reloads under constant load fail no request and close no WebSocket', async () => {
  await using one = await startUpstream('one')
  await using two = await startUpstream('two')
  await using echoing = await startEcho()
  const fixed =
    service('one', one.port) +
    service('two', two.port) +
    service('echo', echoing.port) +
    gateway('gw', ['app.test', 'ws.test']) +
    virtualService('ws', ['ws.test'], ['gw'], '  - route: [{ destination: { host: echo } }]')
  await using gw = await startGateway(
    { 'fixed.yaml': fixed, 'route.yaml': route('one') },
    { ports: [80] },
  )
  const port = gw.port(80)
  const sockets = await Promise.all(Array.from({ length: WEBSOCKETS }, () => openWebSocket(port)))
  let closed = 0
  for (const socket of sockets) socket.once('close', () => closed++)

  let stopped = false
  const clients = Array.from({ length: CLIENTS }, () => hammer(port, () => stopped))
  for (let i = 0; i < RELOADS; i++) {
    const extra = i % 7 === 0 ? gateway(`extra-${i}`, [`extra-${i}.test`]) : ''
    gw.write('route.yaml', route(i % 2 === 0 ? 'two' : 'one', `-${i}`) + extra)
    await gw.reload()
    const answer = await call({ port, host: 'app.test' })
    expect(answer.headers['x-version']).toBe(`${i % 2 === 0 ? 'two' : 'one'}-${i}`)
  }
  stopped = true
  const results = await Promise.all(clients)
  expect(results.flatMap((result) => result.failures)).toEqual([])
  expect(results.reduce((sum, result) => sum + result.sent, 0)).toBeGreaterThan(RELOADS)
  expect(gw.gateway.snapshot?.generation).toBe(RELOADS + 1)
  for (const [index, socket] of sockets.entries())
    expect(await echo(socket, `still here ${index}`)).toBe(`still here ${index}`)
  expect(closed).toBe(0)
  for (const socket of sockets) socket.destroy()
}, 60_000)

test('a broken new version leaves the last good one serving and says so; everything else proceeds', async () => {
  await using one = await startUpstream('one')
  const fixed = service('one', one.port) + gateway('gw', ['app.test', 'new.test'])
  await using gw = await startGateway(
    { 'fixed.yaml': fixed, 'route.yaml': route('one') },
    { ports: [80] },
  )
  gw.write('route.yaml', route('one').replace('route: [{', 'rout: [{'))
  gw.write(
    'new.yaml',
    virtualService('new', ['new.test'], ['gw'], '  - route: [{ destination: { host: one } }]'),
  )
  await gw.reload()
  expect((await call({ port: gw.port(80), host: 'app.test' })).body).toBe('one')
  expect((await call({ port: gw.port(80), host: 'new.test' })).body).toBe('one')
  const codes = gw.gateway.problems.map((problem) => problem.code)
  expect(codes).toContain('unknown-field')
  expect(codes).toContain('last-good-kept')
  gw.write('route.yaml', 'not: [yaml')
  await gw.reload()
  expect((await call({ port: gw.port(80), host: 'app.test' })).body).toBe('one')
  gw.remove('route.yaml')
  await gw.reload()
  expect((await call({ port: gw.port(80), host: 'app.test' })).status).toBe(404)
})

test('a write to a watched folder is served within a second', async () => {
  await using one = await startUpstream('one')
  await using two = await startUpstream('two')
  const fixed = service('one', one.port) + service('two', two.port) + gateway('gw', ['app.test'])
  await using gw = await startGateway(
    { 'fixed.yaml': fixed, 'route.yaml': route('one') },
    { ports: [80], watch: true },
  )
  expect((await call({ port: gw.port(80), host: 'app.test' })).body).toBe('one')
  const written = performance.now()
  gw.write('route.yaml', route('two'))
  await waitFor(
    'the new route',
    async () => (await call({ port: gw.port(80), host: 'app.test' })).body === 'two',
  )
  expect(performance.now() - written).toBeLessThan(3000)
})

test('a listener that is no longer named stops accepting and lets its exchange finish', async () => {
  const { promise: release, resolve: releaseNow } = Promise.withResolvers<void>()
  let arrived = false
  await using slow = await startUpstream((_request, response) => {
    arrived = true
    void release.then(() => response.end('late'))
  })
  const fixed = service('slow', slow.port) + gateway('keep', ['keep.test'], 80)
  const leaving = gateway('leave', ['leave.test'], 8080)
  const routes = virtualService(
    'leave',
    ['leave.test'],
    ['leave'],
    '  - route: [{ destination: { host: slow } }]',
  )
  await using gw = await startGateway(
    { 'fixed.yaml': fixed + routes, 'leave.yaml': leaving },
    { ports: [80, 8080] },
  )
  const port = gw.port(8080)
  const pending = call({ port, host: 'leave.test' })
  await waitFor('the request to arrive', () => arrived)
  gw.remove('leave.yaml')
  await gw.reload()
  await expect(call({ port, host: 'leave.test' })).rejects.toThrow(/ECONNREFUSED/)
  releaseNow()
  expect((await pending).body).toBe('late')
})
