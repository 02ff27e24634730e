import { execFile } from 'node:child_process'
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { startGateway } from '../support/gateway.ts'
import { collect, H2Client } from '../support/h2-client.ts'
import { routedTo } from '../support/routed.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'

const run = promisify(execFile)

interface H2Upstream extends AsyncDisposable {
  readonly port: number
  readonly server: Http2Server
  readonly sessions: number
}

async function startH2(
  onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
): Promise<H2Upstream> {
  const server = createServer()
  const sessions: { destroy(): void }[] = []
  server.on('session', (session) => sessions.push(session))
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    onStream(stream, headers)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    server,
    get sessions() {
      return sessions.length
    },
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

const GRPC = {
  ':method': 'POST',
  ':path': '/pkg.Service/Method',
  ':authority': 'app.test',
  'content-type': 'application/grpc',
  te: 'trailers',
}

function pairs(raw: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {}
  for (let i = 0; i < raw.length; i += 2) found[raw[i]!] = raw[i + 1]!
  return found
}

describe('gRPC through a Service port named grpc', () => {
  test('a unary call: te, message, answer and trailers', async () => {
    let seen: IncomingHttpHeaders = {}
    await using app = await startH2((stream, headers) => {
      seen = headers
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc' },
        { waitForTrailers: true },
      )
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-cost': '7' }))
      stream.pipe(stream)
    })
    await using gw = await startGateway(routedTo(app.port, { portName: 'grpc' }), { ports: [80] })
    await using client = new H2Client(gw.port(80))
    const answer = await client.fetch(GRPC, '\0\0\0\0\u0005hello')
    expect([answer.status, answer.body, answer.rstCode]).toEqual([200, '\0\0\0\0\u0005hello', 0])
    expect(pairs(answer.rawTrailers)).toEqual({ 'grpc-status': '0', 'x-cost': '7' })
    expect([seen[':method'], seen[':path'], seen[':authority'], seen['te']]).toEqual([
      'POST',
      GRPC[':path'],
      'app.test',
      'trailers',
    ])
  })

  test('a trailers-only answer stays one', async () => {
    await using app = await startH2((stream) => {
      stream.resume()
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5' },
        { endStream: true },
      )
    })
    await using gw = await startGateway(routedTo(app.port, { portName: 'grpc' }), { ports: [80] })
    await using client = new H2Client(gw.port(80))
    const answer = await client.fetch(GRPC, 'x')
    expect(pairs(answer.rawHeaders)['grpc-status']).toBe('5')
    expect([answer.status, answer.body, answer.rawTrailers]).toEqual([200, '', []])
  })

  test('messages go both ways while both sides are open', async () => {
    await using app = await startH2((stream) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.on('data', (chunk: Buffer) => stream.write(`<${chunk.toString()}>`))
      stream.on('end', () => stream.end())
    })
    await using gw = await startGateway(routedTo(app.port, { portName: 'grpc' }), { ports: [80] })
    await using client = new H2Client(gw.port(80))
    const stream = client.open(GRPC, { endStream: false })
    let text = ''
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
    const done = collect(stream)
    for (let i = 0; i < 5; i++) {
      stream.write(`m${i}`)
      await waitFor('the answer to a message', () => text.endsWith(`<m${i}>`))
    }
    stream.end()
    expect(pairs((await done).rawTrailers)).toEqual({ 'grpc-status': '0' })
  })

  test('many calls share upstream connections, and a reset of one leaves the others', async () => {
    const open: ServerHttp2Stream[] = []
    await using app = await startH2((stream) => {
      stream.resume()
      open.push(stream)
    })
    await using gw = await startGateway(routedTo(app.port, { portName: 'grpc' }), { ports: [80] })
    await using client = new H2Client(gw.port(80))
    const first = client.open(GRPC, { endStream: true })
    await waitFor('the first stream', () => open.length === 1)
    const calls = Array.from({ length: 8 }, () => client.fetch(GRPC, 'x'))
    await waitFor('all streams', () => open.length === 9)
    expect(app.sessions).toBe(1)
    first.close(8)
    await waitFor('the upstream to hear of the cancel', () => open[0]!.closed)
    for (const stream of open.slice(1)) {
      stream.respond({ ':status': 200 })
      stream.end('fine')
    }
    expect((await Promise.all(calls)).map((answer) => answer.body)).toEqual(
      Array.from({ length: 8 }, () => 'fine'),
    )
  })

  test('an upstream that resets after its head: the client sees a reset, not an end', async () => {
    await using app = await startH2((stream) => {
      stream.respond({ ':status': 200 })
      // close() would end the body first: only destroy() cuts it off.
      stream.write('part', () => stream.destroy(new Error('cut')))
    })
    await using gw = await startGateway(routedTo(app.port, { portName: 'grpc' }), { ports: [80] })
    await using client = new H2Client(gw.port(80))
    const answer = await client.fetch(GRPC, 'x')
    expect(answer.status).toBe(200)
    expect(answer.rstCode).not.toBe(0)
  })

  test('GOAWAY of an idle upstream costs no request', async () => {
    await using app = await startH2((stream) => {
      stream.respond({ ':status': 200 })
      stream.end('ok', () => setImmediate(() => stream.session?.close()))
    })
    await using gw = await startGateway(routedTo(app.port, { portName: 'grpc' }), { ports: [80] })
    await using client = new H2Client(gw.port(80))
    for (let i = 0; i < 10; i++) {
      expect((await client.fetch({ ':path': `/${i}`, ':authority': 'app.test' })).body).toBe('ok')
    }
  })

  test('an upstream body that exactly fills flow-control windows is complete', async () => {
    await using app = await startH2((stream, headers) => {
      stream.respond({ ':status': 200 })
      stream.end(Buffer.alloc(Number(String(headers[':path']).slice(1)), 97))
    })
    await using gw = await startGateway(routedTo(app.port, { portName: 'grpc' }), { ports: [80] })
    await using client = new H2Client(gw.port(80))
    for (const size of [65_535, 65_536, 131_072, 1_048_576]) {
      const answer = await client.fetch({ ':path': `/${size}`, ':authority': 'app.test' })
      expect([answer.body.length, answer.rstCode]).toEqual([size, 0])
    }
  })
})

describe('HTTP/2 in clear text with prior knowledge', () => {
  test('is served beside HTTP/1.1 on one port, and goes upstream as HTTP/1.1', async () => {
    await using app = await startUpstream('h1 upstream')
    await using gw = await startGateway(routedTo(app.port), { ports: [80] })
    await using client = new H2Client(gw.port(80))
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        client.fetch(
          { ':method': 'POST', ':path': `/${i}`, ':authority': 'app.test' },
          `body ${i}`,
        ),
      ),
    )
    expect(answers.map((answer) => [answer.status, answer.body])).toEqual(
      Array.from({ length: 10 }, () => [200, 'h1 upstream']),
    )
    expect(app.seen.map(({ url, body }) => `${url} ${body}`).toSorted()).toEqual(
      Array.from({ length: 10 }, (_, i) => `/${i} body ${i}`),
    )
    expect(app.seen.every((seen) => seen.headers.host === 'app.test')).toBe(true)
  })

  test('curl with prior knowledge, then with HTTP/1.1', async () => {
    await using app = await startUpstream('hello')
    await using gw = await startGateway(routedTo(app.port), { ports: [80] })
    const curl = async (flag: string): Promise<string> => {
      const { stdout } = await run('curl', [
        '-sS',
        flag,
        '-w',
        ' %{http_version}',
        '-H',
        'Host: app.test',
        `http://127.0.0.1:${gw.port(80)}/`,
      ])
      return stdout
    }
    expect(await curl('--http2-prior-knowledge')).toBe('hello 2')
    expect(await curl('--http1.1')).toBe('hello 1.1')
  })

  test('HEAD, 204 and 304 end with their head; 404 NR and 503 are answered as HTTP/2', async () => {
    await using app = await startUpstream((request, response) => {
      response.statusCode = Number((request.url ?? '').slice(1))
      if (request.method === 'HEAD') response.setHeader('content-length', '99')
      response.end()
    })
    await using gw = await startGateway(routedTo(app.port), { ports: [80] })
    await using client = new H2Client(gw.port(80))
    const ask = async (method: string, path: string, host = 'app.test'): Promise<unknown[]> => {
      const answer = await client.fetch({ ':method': method, ':path': path, ':authority': host })
      return [answer.status, answer.body, pairs(answer.rawHeaders)['content-length']]
    }
    expect(await ask('HEAD', '/200')).toEqual([200, '', '99'])
    expect((await ask('GET', '/204')).slice(0, 2)).toEqual([204, ''])
    expect((await ask('GET', '/304')).slice(0, 2)).toEqual([304, ''])
    expect((await ask('GET', '/', 'other.test')).slice(0, 2)).toEqual([404, ''])
  })

  test('103 arrives before the answer', async () => {
    await using app = await startUpstream((request, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' })
      request.resume()
      request.on('end', () => response.end('done'))
    })
    await using gw = await startGateway(routedTo(app.port), { ports: [80] })
    await using client = new H2Client(gw.port(80))
    const answer = await client.fetch({ ':path': '/', ':authority': 'app.test' })
    const statuses = answer.informational.map((raw) => pairs(raw)[':status'])
    expect([statuses, answer.status, answer.body]).toEqual([['103'], 200, 'done'])
  })

  test('an early 413 ends the upload and leaves the connection to others', async () => {
    await using app = await startUpstream((request, response) => {
      if (request.method === 'GET') {
        response.end('ok')
        return
      }
      response.statusCode = 413
      response.end('too large')
    })
    await using gw = await startGateway(routedTo(app.port), { ports: [80] })
    await using client = new H2Client(gw.port(80))
    const stream = client.open(
      { ':method': 'POST', ':path': '/', ':authority': 'app.test' },
      { endStream: false },
    )
    const block = Buffer.alloc(64 * 1024)
    const pump = (): void => {
      while (!stream.closed && !stream.destroyed && stream.write(block));
    }
    stream.on('drain', pump)
    const answer = collect(stream)
    pump()
    expect(await answer).toMatchObject({ status: 413, body: 'too large' })
    expect((await client.fetch({ ':path': '/', ':authority': 'app.test' })).body).toBe('ok')
  })
})
