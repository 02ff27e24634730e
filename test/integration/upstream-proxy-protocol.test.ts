import { createServer as createTlsServer } from 'node:tls'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { startGateway } from '../support/gateway.ts'
import { RawServer, RawSocket } from '../support/raw-socket.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const TCP_PORT = 9000
const HEADER = /^PROXY TCP4 (\S+) (\S+) (\d+) (\d+)\r\n/

function rule(policy: string, host = 'app'): string {
  return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${host} }
spec: { host: ${host}, trafficPolicy: ${policy} }
---
`
}

function tcpGateway(port: number, policy: string): string {
  return `${service('app', port, { port: TCP_PORT, portName: 'tcp' })}${rule(policy)}apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  servers: [{ port: { number: ${TCP_PORT}, name: tcp, protocol: TCP }, hosts: ["*"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: tcp }
spec:
  hosts: ["*"]
  gateways: [gw]
  tcp: [{ route: [{ destination: { host: app } }] }]
---
`
}

function httpGateway(port: number, policy: string): string {
  return (
    service('app', port) +
    rule(policy) +
    gateway('gw', ['*']) +
    virtualService('app', ['*'], ['gw'], '  - { route: [{ destination: { host: app } }] }')
  )
}

/** Takes the PROXY line off each connection, then answers every request with its number. */
class HeaderReader {
  readonly lines: string[] = []

  serve(socket: Socket): void {
    let text = ''
    let served = 0
    const index = this.lines.push('') - 1
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (this.lines[index] === '') {
        const end = text.indexOf('\r\n')
        if (end === -1) return
        this.lines[index] = text.slice(0, end)
        text = text.slice(end + 2)
      }
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        text = text.slice(end + 4)
        const body = `${index}.${++served}`
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
      }
    })
  }
}

const REQUEST = 'GET / HTTP/1.1\r\nHost: app.test\r\n\r\n'

describe('DestinationRule proxyProtocol', () => {
  test('V1 in front of a TCP connection says whose it is; its bytes follow', async () => {
    await using server = await new RawServer((socket) => socket.pipe(socket)).listen()
    await using gw = await startGateway(
      tcpGateway(server.port, '{ proxyProtocol: { version: V1 } }'),
      {
        ports: [TCP_PORT],
      },
    )
    const client = await RawSocket.connect(gw.port(TCP_PORT))
    client.write('hello')
    await client.until('hello')
    const [, remote, local, remotePort, localPort] = HEADER.exec(client.text)!
    expect([remote, local]).toEqual(['127.0.0.1', '127.0.0.1'])
    expect(Number(remotePort)).toBe(client.socket.localPort)
    expect(Number(localPort)).toBe(gw.port(TCP_PORT))
    expect(client.text.replace(HEADER, '')).toBe('hello')
    client.destroy()
  })

  test('V2 is binary, and comes before a server that speaks first', async () => {
    let first = ''
    await using server = await new RawServer((socket) => {
      socket.on('data', (chunk: Buffer) => {
        first += chunk.toString('hex')
        socket.write('greeting')
      })
    }).listen()
    await using gw = await startGateway(
      tcpGateway(server.port, '{ proxyProtocol: { version: V2 } }'),
      { ports: [TCP_PORT] },
    )
    const client = await RawSocket.connect(gw.port(TCP_PORT))
    await client.until('greeting')
    expect(first).toMatch(/^0d0a0d0a000d0a515549540a2111000c7f0000017f000001[0-9a-f]{8}$/)
    client.destroy()
  })

  test('the header is sent in the clear, TLS begins behind it', async () => {
    const authority = Authority.create('upstream')
    const pair = authority.issue(['app.test'])
    const lines: string[] = []
    const secure = createTlsServer({ cert: pair.certificate, key: pair.key }, (socket) =>
      socket.pipe(socket),
    )
    const plain = createServer((socket) => {
      socket.once('data', (chunk: Buffer) => {
        const end = chunk.indexOf('\r\n') + 2
        lines.push(chunk.toString('latin1', 0, end))
        socket.pause()
        socket.unshift(chunk.subarray(end))
        secure.emit('connection', socket)
      })
    })
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = plain.address() as AddressInfo
      const tls = '{ mode: SIMPLE, sni: app.test, insecureSkipVerify: true }'
      await using gw = await startGateway(tcpGateway(port, `{ proxyProtocol: {}, tls: ${tls} }`), {
        ports: [TCP_PORT],
      })
      const client = await RawSocket.connect(gw.port(TCP_PORT))
      client.write('over TLS')
      await client.until('over TLS')
      expect(lines).toEqual([expect.stringMatching(HEADER)])
      client.end()
      await waitFor('the end', () => gw.gateway.activeExchanges === 0)
    } finally {
      plain.close()
      secure.close()
    }
  })

  test('an HTTP connection serves one client address, and is kept for its next requests', async () => {
    const reader = new HeaderReader()
    await using server = await new RawServer((socket) => reader.serve(socket)).listen()
    await using gw = await startGateway(httpGateway(server.port, '{ proxyProtocol: {} }'), {
      ports: [80],
    })
    const first = await RawSocket.connect(gw.port(80))
    first.write(REQUEST)
    await first.until('0.1')
    const second = await RawSocket.connect(gw.port(80))
    second.write(REQUEST)
    await second.until('0.2')
    expect(reader.lines).toEqual([
      `PROXY TCP4 127.0.0.1 127.0.0.1 ${first.socket.localPort} ${gw.port(80)}`,
    ])
    first.destroy()
    second.destroy()
  })

  test('clients of different addresses never share an HTTP connection', async () => {
    const reader = new HeaderReader()
    await using server = await new RawServer((socket) => reader.serve(socket)).listen()
    const mesh = `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: '{ defaultConfig: { gatewayTopology: { proxyProtocol: {} } } }' }
---
`
    const yaml = mesh + httpGateway(server.port, '{ proxyProtocol: {} }')
    await using gw = await startGateway(yaml, { ports: [80] })
    for (const [index, address] of ['203.0.113.1', '203.0.113.2', '203.0.113.1'].entries()) {
      const client = await RawSocket.connect(gw.port(80))
      client.write(`PROXY TCP4 ${address} 198.51.100.1 5000 80\r\n${REQUEST}`)
      await client.until(['0.1', '1.1', '0.2'][index]!)
      client.destroy()
    }
    expect(reader.lines).toEqual([
      'PROXY TCP4 203.0.113.1 198.51.100.1 5000 80',
      'PROXY TCP4 203.0.113.2 198.51.100.1 5000 80',
    ])
  })
})
