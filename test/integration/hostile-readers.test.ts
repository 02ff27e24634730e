import { connect as connectH2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseLimits } from '../../src/cli/limit-flags.ts'
import { LARGE_BYTES, StallingBackend } from '../support/stalling-backend.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { waitFor } from '../support/wait.ts'
import { Authority } from '../../certs/authority.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const HOST = 'app.test'
const STALL_MS = 300
/** Above what the kernel's buffers between two sockets hold, see StallingBackend. */
const LARGE = `GET /large HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`

let backend: StallingBackend
let gw: TestGateway

beforeAll(async () => {
  backend = await StallingBackend.start()
  gw = await startGateway(configuration(backend.port), {
    ports: [80, 443],
    limits: parseLimits([`write-stall-timeout=${STALL_MS}ms`]),
  })
})

afterAll(async () => {
  await gw[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

function configuration(port: number): string {
  const { certificate, key } = Authority.create('readers').issue([HOST])
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  return `apiVersion: v1
kind: Secret
metadata: { name: readers, namespace: istio-system }
type: kubernetes.io/tls
data:
  tls.crt: ${base64(certificate)}
  tls.key: ${base64(key)}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: secure }
spec:
  servers:
  - port: { number: 443, name: https, protocol: HTTPS }
    hosts: [${HOST}]
    tls: { mode: SIMPLE, credentialName: readers }
---
${service('app', port)}${gateway('plain', [HOST])}${virtualService(
    'app',
    [HOST],
    ['plain', 'secure'],
    '  - { route: [{ destination: { host: app } }], retries: { attempts: 0 } }',
  )}`
}

function openConnections(): number {
  return gw.gateway.boundListeners.reduce((sum, each) => sum + each.connections, 0)
}

function openPlain(): Socket {
  return connect(gw.port(80), '127.0.0.1')
}

function openSecure(): Socket {
  return connectTls({
    port: gw.port(443),
    host: '127.0.0.1',
    servername: HOST,
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
  })
}

describe('a client that does not read a large answer', () => {
  test.each([
    ['HTTP/1.1', openPlain],
    ['HTTP/1.1 over TLS', openSecure],
  ])('over %s loses its connection, and the upstream is free', async (_name, open) => {
    const client = open()
    client.on('error', () => {})
    const gone = new Promise<void>((resolve) => client.once('close', () => resolve()))
    const begun = new Promise<void>((resolve) => {
      client.once('data', () => {
        client.pause()
        resolve()
      })
    })
    client.write(LARGE)
    await begun
    expect(gw.gateway.activeExchanges).toBe(1)
    await waitFor('the exchange to end', () => gw.gateway.activeExchanges === 0)
    await waitFor('the upstream to be free', () => backend.sockets.size === 0)
    await waitFor('the connection to go', () => openConnections() === 0)
    // What it would still read is not the whole answer.
    let rest = 0
    client.on('data', (chunk: Buffer) => (rest += chunk.length))
    client.resume()
    await gone
    expect(rest).toBeLessThan(LARGE_BYTES)
  })

  test('over HTTP/2 loses its stream; others of the connection go on', async () => {
    const session = connectH2(`https://127.0.0.1:${gw.port(443)}`, {
      servername: HOST,
      rejectUnauthorized: false,
    })
    session.on('error', () => {})
    const large = session.request({ ':authority': HOST, ':path': '/large' })
    large.on('error', () => {})
    const begun = new Promise<void>((resolve) => large.once('response', () => resolve()))
    large.pause()
    await begun
    await waitFor('the exchange to end', () => gw.gateway.activeExchanges === 0)
    await waitFor('the upstream to be free', () => backend.sockets.size === 0)
    const small = session.request({ ':authority': HOST, ':path': '/small' })
    const status = await new Promise((resolve) => {
      small.once('response', (headers) => resolve(headers[':status']))
    })
    expect(status).toBe(200)
    small.resume()
    session.destroy()
    await waitFor('the connection to go', () => openConnections() === 0)
    await waitFor('one idle upstream at most', () => backend.sockets.size <= 1)
  })
})

describe('a client that ends its side while it waits', () => {
  test('over HTTP/1.1 still gets its answer: half a connection is enough to read it', async () => {
    const client = openPlain()
    let text = ''
    client.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    const gone = new Promise<void>((resolve) => client.once('close', () => resolve()))
    client.end(`GET /small HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`)
    await gone
    expect(text).toMatch(/^HTTP\/1\.1 200 [^]*ok$/)
    expect(text.toLowerCase()).toContain('connection: close')
  })

  test('over HTTP/2 is gone: the upstream is free at once', async () => {
    const session = connectH2(`http://127.0.0.1:${gw.port(80)}`)
    session.on('error', () => {})
    const silent = session.request({ ':authority': HOST, ':path': '/silent' })
    silent.on('error', () => {})
    await waitFor('the request upstream', () => gw.gateway.activeExchanges === 1)
    session.socket.on('error', () => {})
    session.destroy()
    await waitFor('the exchange to end', () => gw.gateway.activeExchanges === 0)
    await waitFor('one idle upstream at most', () => backend.sockets.size <= 1)
  })
})
