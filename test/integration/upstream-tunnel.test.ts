import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { RawServer, RawSocket } from '../support/raw-socket.ts'
import { waitFor } from '../support/wait.ts'
import { service } from '../support/yaml.ts'

const PORT = 9000
const pair = Authority.create('proxy').issue(['proxy.test'])

/** A forward proxy that connects every CONNECT to `target`, whatever it asks for. */
class ForwardProxy implements AsyncDisposable {
  readonly asked: string[] = []
  readonly server: ReturnType<typeof createHttpServer>
  readonly #sockets = new Set<Duplex>()

  constructor(target: number, secure: boolean) {
    this.server = secure
      ? createHttpsServer({ cert: pair.certificate, key: pair.key })
      : createHttpServer()
    this.server.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.asked.push(`CONNECT ${request.url ?? ''} host=${request.headers.host ?? ''}`)
      this.#sockets.add(socket)
      const onward = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true }, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
        onward.write(head)
        socket.pipe(onward)
        onward.pipe(socket)
      })
      this.#sockets.add(onward)
      onward.on('error', () => socket.destroy())
      socket.on('error', () => onward.destroy())
    })
    this.server.on('request', (request, response) => {
      this.asked.push(`${request.method} ${request.url} host=${request.headers.host}`)
      response.flushHeaders()
      request.pipe(response)
    })
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    return this
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.server.closeAllConnections()
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
  }
}

function through(proxyPort: number, policy: string, connectTimeout = '5s'): Promise<TestGateway> {
  const pool = `connectionPool: { tcp: { connectTimeout: ${connectTimeout} } }`
  const yaml = `${service('proxy', proxyPort, { port: PORT, portName: 'tcp' })}apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: proxy }
spec: { host: proxy, trafficPolicy: { ${pool}, ${policy} } }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  servers: [{ port: { number: ${PORT}, name: tcp, protocol: TCP }, hosts: ["*"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: tcp }
spec:
  hosts: ["*"]
  gateways: [gw]
  tcp: [{ route: [{ destination: { host: proxy } }] }]
---
`
  return startGateway(yaml, { ports: [PORT] })
}

const CONNECT = 'tunnel: { protocol: CONNECT, targetHost: db.example.com, targetPort: 5432 }'
const POST = 'tunnel: { protocol: POST, targetHost: db.example.com, targetPort: 5432 }'

describe('DestinationRule tunnel', () => {
  test('CONNECT: bytes pass through the proxy both ways, half-closes too', async () => {
    await using db = await new RawServer((socket) => {
      socket.write('greeting ')
      let text = ''
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
      socket.on('end', () => socket.end(`got ${text}`))
    }).listen()
    await using proxy = await new ForwardProxy(db.port, false).listen()
    await using gw = await through(proxy.port, CONNECT)
    const client = await RawSocket.connect(gw.port(PORT))
    await client.until('greeting ')
    client.write('question').end()
    expect(await client.untilEnd()).toBe('greeting got question')
    expect(proxy.asked).toEqual(['CONNECT db.example.com:5432 host=db.example.com:5432'])
    await waitFor('the splice to end', () => gw.gateway.activeExchanges === 0)
  })

  test('over TLS when the rule says so', async () => {
    await using db = await new RawServer((socket: Socket) => socket.pipe(socket)).listen()
    await using proxy = await new ForwardProxy(db.port, true).listen()
    const tls = 'tls: { mode: SIMPLE, sni: proxy.test, insecureSkipVerify: true }'
    await using gw = await through(proxy.port, `${CONNECT}, ${tls}`)
    const client = await RawSocket.connect(gw.port(PORT))
    client.write('ping')
    await client.until('ping')
    expect(proxy.asked).toEqual(['CONNECT db.example.com:5432 host=db.example.com:5432'])
    client.destroy()
  })

  test('POST: the bytes are the body of the request and of its answer', async () => {
    await using proxy = await new ForwardProxy(0, false).listen()
    await using gw = await through(proxy.port, POST)
    const client = await RawSocket.connect(gw.port(PORT))
    client.write('ping')
    await client.until('ping')
    client.write(' pong')
    await client.until('ping pong')
    expect(proxy.asked).toEqual(['POST / host=db.example.com:5432'])
    client.end()
    await client.untilEnd()
    await waitFor('the splice to end', () => gw.gateway.activeExchanges === 0)
  })

  test.each([
    ['refuses', 'HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n'],
    ['closes', ''],
  ])('a proxy that %s: the client is closed, flag UF,URX', async (_name, answer) => {
    await using proxy = await new RawServer((socket) => {
      socket.once('data', () => socket.end(answer))
    }).listen()
    await using gw = await through(proxy.port, CONNECT)
    const client = await RawSocket.connect(gw.port(PORT))
    client.write('secret')
    await waitFor('the end', () => client.closed || client.ended)
    expect(client.text).toBe('')
    await waitFor('the log', () => gw.accessLog().includes('"- - -" 0 UF,URX - - "'))
  })

  test('a proxy that does not answer is given up after the connect timeout', async () => {
    await using proxy = await new RawServer(() => undefined).listen()
    await using gw = await through(proxy.port, CONNECT, '200ms')
    const client = await RawSocket.connect(gw.port(PORT))
    await waitFor('the end', () => client.closed || client.ended)
    await waitFor('the log', () => gw.accessLog().includes('did_not_answer_the_tunnel_request'))
  })
})
