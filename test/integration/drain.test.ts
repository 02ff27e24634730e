import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { constants } from 'node:http2'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { type Answer, call } from '../support/call.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { H2Client } from '../support/h2-client.ts'
import { RawSocket } from '../support/raw-socket.ts'
import { serve, type ServingCommand } from '../support/command.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const CLIENTS = 6
const SLOW_BODY = 'slow but whole'

/** Answers at once; /slow begins its answer and ends it when told. */
async function startSlowUpstream(): Promise<Upstream & { release(): void; waiting(): number }> {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  let waiting = 0
  const upstream = await startUpstream((incoming, response) => {
    incoming.resume()
    if (incoming.url !== '/slow') {
      response.end('fast')
      return
    }
    waiting++
    response.write(SLOW_BODY.slice(0, 4))
    void released.then(() => response.end(SLOW_BODY.slice(4)))
  })
  return Object.assign(upstream, { release, waiting: () => waiting })
}

async function serveSlow(
  upstream: Upstream,
  folder: TemporaryFolder,
  ...flags: readonly string[]
): Promise<ServingCommand & { app: number }> {
  folder.write(
    'app.yaml',
    service('app', upstream.port) +
      gateway('gw', ['app.test']) +
      virtualService('app', ['app.test'], ['gw'], '  - route: [{ destination: { host: app } }]'),
  )
  const serving = await serve(['-c', folder.path, '--listen', '80=127.0.0.1:0', ...flags])
  return Object.assign(serving, { app: serving.port('*:80') })
}

interface Load {
  /** Requests that were neither answered with 200 nor turned away before they were sent. */
  readonly failures: string[]
  answered: number
  /** Answers that announced the end of their connection. */
  closing: number
  /** Resolves when every client was turned away: nothing listens any more. */
  readonly over: Promise<unknown>
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}

/** Clients with kept connections that ask again and again until nobody listens. */
function startLoad(port: number): Load {
  const load: Load = { failures: [], answered: 0, closing: 0, over: Promise.resolve() }
  const clients = Array.from({ length: CLIENTS }, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    let open = true
    while (open) open = await askOnce(port, agent, load)
    agent.destroy()
  })
  return Object.assign(load, { over: Promise.all(clients) })
}

function askOnce(port: number, agent: Agent, load: Load): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', port, agent, headers: { host: 'app.test' } }
    const sent = request(options, (response) => {
      if (response.headers.connection === 'close') load.closing++
      let body = ''
      response.setEncoding('latin1').on('data', (chunk: string) => (body += chunk))
      response.on('error', (error) => load.failures.push(`broken answer: ${codeOf(error)}`))
      response.on('close', () => {
        if (response.statusCode === 200 && body === 'fast') load.answered++
        else load.failures.push(`${response.statusCode} ${body}`)
        resolve(true)
      })
    })
    sent.on('error', (error) => {
      // A new connection that is refused was never a request.
      const turnedAway = !sent.reusedSocket && codeOf(error) === 'ECONNREFUSED'
      if (!turnedAway) load.failures.push(`${codeOf(error)} reused: ${sent.reusedSocket}`)
      resolve(!turnedAway)
    })
    sent.end()
  })
}

/** One stream after another until the server says GOAWAY. A refused stream was never a request. */
async function askUntilGoaway(client: H2Client): Promise<string[]> {
  const outcomes: string[] = []
  while (client.goawayCode === -1 && !client.session.destroyed) {
    const { status, rstCode } = await client.fetch({ ':authority': 'app.test', ':path': '/' })
    const refused = status === 0 && rstCode === constants.NGHTTP2_REFUSED_STREAM
    if (!refused) outcomes.push(status === 200 ? '200' : `${status} reset ${rstCode}`)
  }
  return outcomes
}

const slowCall = (port: number): Promise<Answer> => call({ port, host: 'app.test', path: '/slow' })

async function readiness(serving: ServingCommand): Promise<number> {
  return (await fetch(`http://${serving.ready.status}/healthz/ready`)).status
}

test('SIGTERM under load: not ready at once, accepts for the delay, then ends with no request failed', async () => {
  await using upstream = await startSlowUpstream()
  using folder = new TemporaryFolder()
  const flags = ['--drain-delay', '2500ms', '--drain-timeout', '30s']
  await using serving = await serveSlow(upstream, folder, ...flags)
  const { app } = serving
  const load = startLoad(app)
  const slow = Array.from({ length: 3 }, () => slowCall(app))
  await using h2 = new H2Client(app)
  const slowStream = h2.fetch({ ':authority': 'app.test', ':path': '/slow' })
  const streams = askUntilGoaway(h2)
  await waitFor('load', () => load.answered > 50 && upstream.waiting() === 4, 20_000)
  expect(await readiness(serving)).toBe(200)

  serving.signal('SIGTERM')
  await waitFor('readiness to fail', async () => (await readiness(serving)) === 503)
  const late = await call({ port: app, host: 'app.test' })
  expect([late.status, late.body]).toEqual([200, 'fast'])
  const sofar = load.answered
  await waitFor('the load to go on', () => load.answered > sofar)

  await load.over
  expect(load.failures).toEqual([])
  expect(load.closing).toBeGreaterThan(0)
  expect((await streams).filter((outcome) => outcome !== '200')).toEqual([])
  expect(h2.goawayCode).toBe(constants.NGHTTP2_NO_ERROR)
  expect(serving.isRunning).toBe(true)
  expect(await readiness(serving)).toBe(503)

  upstream.release()
  for (const answer of await Promise.all(slow)) {
    expect([answer.status, answer.body]).toEqual([200, SLOW_BODY])
  }
  expect(await slowStream).toMatchObject({ status: 200, body: SLOW_BODY, rstCode: 0 })
  const { code, stdout } = await serving.exit()
  expect(code).toBe(0)
  expect(serving.log.at(-1)).toMatchObject({ msg: 'bye' })
  // Not a line of the access log is lost: the load, the slow ones, the streams, the late one.
  const answers = load.answered + slow.length + 1 + (await streams).length + 1
  expect(stdout.trimEnd().split('\n')).toHaveLength(answers)
}, 60_000)

test('SIGINT under load: stops accepting at once, whatever the delay, and lets requests finish', async () => {
  await using upstream = await startSlowUpstream()
  using folder = new TemporaryFolder()
  await using serving = await serveSlow(upstream, folder, '--drain-delay', '10m')
  const load = startLoad(serving.app)
  const slow = slowCall(serving.app)
  await waitFor('load', () => load.answered > 50 && upstream.waiting() === 1, 20_000)
  serving.signal('SIGINT')
  await load.over
  expect(load.failures).toEqual([])
  expect(serving.isRunning).toBe(true)
  upstream.release()
  expect((await slow).body).toBe(SLOW_BODY)
  expect((await serving.exit()).code).toBe(0)
}, 60_000)

test('a second signal hurries: what is still open is cut', async () => {
  await using upstream = await startSlowUpstream()
  using folder = new TemporaryFolder()
  await using serving = await serveSlow(upstream, folder, '--drain-delay', '10m')
  const slow = slowCall(serving.app).catch((error: Error) => codeOf(error))
  await waitFor('the slow request', () => upstream.waiting() === 1)
  serving.signal('SIGTERM')
  await serving.untilLogged('SIGTERM: draining')
  expect((await call({ port: serving.app, host: 'app.test' })).status).toBe(200)
  serving.signal('SIGTERM')
  expect((await serving.exit()).code).toBe(0)
  expect(await slow).toBe('ECONNRESET')
}, 30_000)

test('the drain timeout ends what would never end by itself: requests and WebSockets', async () => {
  await using upstream = await startSlowUpstream()
  upstream.server.on('upgrade', (_request, socket) => {
    socket.on('error', () => undefined)
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    )
    socket.pipe(socket)
  })
  using folder = new TemporaryFolder()
  const flags = ['--drain-delay', '0s', '--drain-timeout', '1s']
  await using serving = await serveSlow(upstream, folder, ...flags)
  const websocket = new RawSocket(connect(serving.app, '127.0.0.1'))
  await once(websocket.socket, 'connect')
  websocket.write(
    'GET /ws HTTP/1.1\r\nhost: app.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
      'sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  )
  await websocket.until('101 Switching Protocols')
  const slow = slowCall(serving.app).catch((error: Error) => codeOf(error))
  await waitFor('the slow request', () => upstream.waiting() === 1)
  serving.signal('SIGTERM')
  await serving.untilLogged('SIGTERM: draining')
  // An open WebSocket goes on meanwhile.
  websocket.write('still here')
  await websocket.until('still here')
  expect((await serving.exit()).code).toBe(0)
  await waitFor('the WebSocket to end', () => websocket.ended || websocket.closed)
  expect(await slow).toBe('ECONNRESET')
}, 30_000)

test('idle connections do not hold up the end', async () => {
  await using upstream = await startSlowUpstream()
  using folder = new TemporaryFolder()
  const flags = ['--drain-delay', '0s', '--drain-timeout', '10m']
  await using serving = await serveSlow(upstream, folder, ...flags)
  const fresh = await RawSocket.connect(serving.app)
  const used = await RawSocket.connect(serving.app)
  used.write('GET / HTTP/1.1\r\nhost: app.test\r\n\r\n')
  await used.until('fast')
  await using h2 = new H2Client(serving.app)
  expect((await h2.fetch({ ':authority': 'app.test', ':path': '/' })).status).toBe(200)
  serving.signal('SIGTERM')
  expect((await serving.exit()).code).toBe(0)
  fresh.destroy()
  used.destroy()
}, 30_000)
