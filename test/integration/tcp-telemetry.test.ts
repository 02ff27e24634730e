import type { AddressInfo } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { freePort } from '../support/free-port.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { RawServer, RawSocket } from '../support/raw-socket.ts'
import { waitFor } from '../support/wait.ts'
import { service } from '../support/yaml.ts'

const PORT = 5432
const CLUSTER = `outbound|${PORT}||db.default.svc.cluster.local`

function splice(
  targetPort: number,
  options: { protocol?: string; policy?: string; host?: string } = {},
): Promise<TestGateway> {
  const { protocol = 'TCP', policy = '{}', host = 'db' } = options
  return startGateway(
    `${service('db', targetPort, { port: PORT, portName: 'tcp' })}apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: db }
spec: { host: db, trafficPolicy: ${policy} }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  servers: [{ port: { number: ${PORT}, name: db, protocol: ${protocol} }, hosts: ["*"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: tcp }
spec:
  hosts: ["*"]
  gateways: [gw]
  tcp: [{ route: [{ destination: { host: ${host} } }] }]
---
`,
    { ports: [PORT] },
  )
}

/** Values of the istio_tcp_* series by name, of one set of response flags. */
async function tcpMetrics(gw: TestGateway, flags = '-'): Promise<Record<string, number>> {
  const text = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
  const found: Record<string, number> = {}
  for (const line of text.split('\n')) {
    if (!line.startsWith('istio_tcp_') || !line.includes(`response_flags="${flags}"`)) continue
    expect(line).toContain('reporter="source"')
    expect(line).toContain('request_protocol="tcp"')
    found[line.slice('istio_tcp_'.length, line.indexOf('{'))] = Number(line.split(' ').at(-1))
  }
  return found
}

async function logLine(gw: TestGateway): Promise<string> {
  return waitFor('the log line', () => gw.accessLog().split('\n')[0] || null)
}

const TIME = String.raw`\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\]`
const escaped = (text: string): string => text.replaceAll('|', String.raw`\|`)

describe('a TCP connection', () => {
  test('is logged at its end in Istio’s default format', async () => {
    await using server = await new RawServer((socket) => socket.pipe(socket)).listen()
    await using gw = await splice(server.port)
    const client = await RawSocket.connect(gw.port(PORT))
    const { localPort } = client.socket
    client.write('hello').end()
    await client.untilEnd()
    const line = await logLine(gw)
    expect(line).toMatch(
      new RegExp(
        `^${TIME} "- - -" 0 - - - "-" 5 5 \\d+ - "-" "-" "-" "-" "127\\.0\\.0\\.1:${server.port}" ` +
          `${escaped(CLUSTER)} 127\\.0\\.0\\.1:\\d+ 127\\.0\\.0\\.1:${gw.port(PORT)} ` +
          `127\\.0\\.0\\.1:${localPort} - -$`,
      ),
    )
  })

  test('that never reached its endpoint says why', async () => {
    const port = await freePort()
    await using gw = await splice(port)
    const client = await RawSocket.connect(gw.port(PORT))
    await waitFor('the end', () => client.closed || client.ended)
    expect(await logLine(gw)).toMatch(
      new RegExp(
        `^${TIME} "- - -" 0 UF,URX - - "delayed_connect_error:_111" 0 0 \\d+ - "-" "-" "-" "-" ` +
          `"127\\.0\\.0\\.1:${port}" ${escaped(CLUSTER)} - 127\\.0\\.0\\.1:${gw.port(PORT)} ` +
          `127\\.0\\.0\\.1:\\d+ - -$`,
      ),
    )
    expect(await tcpMetrics(gw, 'UF,URX')).toEqual({
      connections_opened_total: 1,
      connections_closed_total: 1,
      sent_bytes_total: 0,
      received_bytes_total: 0,
    })
  })

  test('shows its bytes while it is open', async () => {
    await using server = await new RawServer((socket) => {
      socket.on('data', () => socket.write('eight by'))
    }).listen()
    await using gw = await splice(server.port)
    const client = await RawSocket.connect(gw.port(PORT))
    client.write('ping')
    await client.until('eight by')
    const open = { connections_opened_total: 1, sent_bytes_total: 8, received_bytes_total: 4 }
    expect(await tcpMetrics(gw)).toEqual({ ...open, connections_closed_total: 0 })
    expect(gw.accessLog()).toBe('')
    client.end()
    server.sockets[0]!.end()
    await logLine(gw)
    expect(await tcpMetrics(gw)).toEqual({ ...open, connections_closed_total: 1 })
  })

  test('beyond maxConnections is refused: UO', async () => {
    await using server = await new RawServer((socket) => socket.pipe(socket)).listen()
    const policy = '{ connectionPool: { tcp: { maxConnections: 1 } } }'
    await using gw = await splice(server.port, { policy })
    const first = await RawSocket.connect(gw.port(PORT))
    first.write('x')
    await first.until('x')
    const second = await RawSocket.connect(gw.port(PORT))
    await waitFor('the end', () => second.closed || second.ended)
    expect(await logLine(gw)).toContain('"- - -" 0 UO - - "-" 0 0 ')
    first.destroy()
  })

  test('of TLS that passes through says which server name was asked for', async () => {
    const pair = Authority.create('passed through').issue(['db.test'])
    const server = createTlsServer({ cert: pair.certificate, key: pair.key }, (socket) =>
      socket.end('inside'),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    try {
      await using gw = await startGateway(
        `${service('db', port, { port: 443, portName: 'tls' })}apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  servers:
  - { port: { number: 443, name: tls, protocol: TLS }, hosts: ["db.test"], tls: { mode: PASSTHROUGH } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: tls }
spec:
  hosts: ["db.test"]
  gateways: [gw]
  tls: [{ match: [{ sniHosts: [db.test] }], route: [{ destination: { host: db } }] }]
---
`,
        { ports: [443] },
      )
      const client = new RawSocket(
        connectTls({
          port: gw.port(443),
          host: '127.0.0.1',
          servername: 'db.test',
          rejectUnauthorized: false,
        }),
      )
      expect(await client.untilEnd()).toBe('inside')
      client.end()
      expect(await logLine(gw)).toMatch(/"- - -" 0 - - - "-" [1-9]\d+ [1-9]\d+ .* db\.test -$/)
      expect(await tcpMetrics(gw)).toMatchObject({ connections_opened_total: 1 })
    } finally {
      server.close()
    }
  })

  test('without a byte for idleTimeout is closed, without a flag', async () => {
    await using server = await new RawServer((socket) => socket.write('hi')).listen()
    const policy = '{ connectionPool: { tcp: { idleTimeout: 150ms } } }'
    await using gw = await splice(server.port, { policy })
    const client = await RawSocket.connect(gw.port(PORT))
    await client.until('hi')
    await waitFor('the end', () => client.closed || client.ended)
    expect(await logLine(gw)).toContain('"- - -" 0 - - - "-" 0 2 ')
  })

  test('to a destination that does not exist: NC', async () => {
    await using gw = await splice(1, { host: 'nowhere' })
    const client = await RawSocket.connect(gw.port(PORT))
    await waitFor('the end', () => client.closed || client.ended)
    expect(await logLine(gw)).toContain('"- - -" 0 NC - - "-" 0 0 ')
  })

  test('whose client leaves while its endpoint is silent is over at once', async () => {
    await using server = await new RawServer((socket) =>
      socket.on('error', () => undefined),
    ).listen()
    await using gw = await splice(server.port)
    const client = await RawSocket.connect(gw.port(PORT))
    client.socket.resetAndDestroy()
    await waitFor('the splice to end', () => gw.gateway.activeExchanges === 0)
  })
})

describe('protocols of databases', () => {
  /** A conversation in turns: [who, what, ...]. Both ends check every word. */
  async function converse(
    protocol: string,
    turns: readonly (readonly ['client' | 'server', string])[],
  ): Promise<void> {
    const serverTurn = (heard: string): string | undefined => {
      let expected = ''
      for (const [index, [who, text]] of turns.entries()) {
        if (who === 'client') expected += text
        else if (expected === heard && turns[index - 1]?.[0] !== 'server') return text
      }
      return undefined
    }
    await using server = await new RawServer((socket) => {
      let heard = ''
      const answer = (): void => {
        const text = serverTurn(heard)
        if (text !== undefined) socket.write(text, 'latin1')
      }
      answer()
      socket.on('data', (chunk: Buffer) => {
        heard += chunk.toString('latin1')
        answer()
      })
    }).listen()
    await using gw = await splice(server.port, { protocol })
    const client = await RawSocket.connect(gw.port(PORT))
    let heard = ''
    for (const [who, text] of turns) {
      if (who === 'client') client.write(text)
      else {
        heard += text
        await client.until(heard)
      }
    }
    client.destroy()
  }

  test('PostgreSQL: the client begins, the server asks for a password', async () => {
    await converse('TCP', [
      ['client', '\0\0\0\x08\x04\xd2\x16\x2f'], // SSLRequest
      ['server', 'N'],
      ['client', '\0\0\0\x13\0\x03\0\0user\0joe\0\0'],
      ['server', 'R\0\0\0\x08\0\0\0\x03'],
      ['client', 'p\0\0\0\x0bsecret\0'],
      ['server', 'R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I'],
    ])
  })

  test('MySQL: the server greets first', async () => {
    await converse('MYSQL', [
      ['server', 'J\0\0\0\n8.0.36\0\x08\0\0\0abcdefgh\0'],
      ['client', '\x20\0\0\x01\x85\xa6\xff\x01\0\0\0\x01'],
      ['server', '\x07\0\0\x02\0\0\0\x02\0\0\0'],
    ])
  })

  test('Redis: questions in a row, answers in a row', async () => {
    await converse('REDIS', [
      ['client', '*1\r\n$4\r\nPING\r\n'],
      ['server', '+PONG\r\n'],
      ['client', '*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n'],
      ['server', '$1\r\n1\r\n$-1\r\n'],
    ])
  })

  test('MongoDB: binary messages', async () => {
    await converse('MONGO', [
      ['client', '\x15\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0'],
      ['server', '\x16\0\0\0\x02\0\0\0\x01\0\0\0\xdd\x07\0\0\0\0\0\0\0\xff'],
    ])
  })
})
