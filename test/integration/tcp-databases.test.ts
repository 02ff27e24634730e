import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createSecureContext, createServer as createTlsServer } from 'node:tls'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { MysqlClient, refuseMysql, serveMysql } from '../support/mysql-peer.ts'
import { PacketReader } from '../support/packet-reader.ts'
import { PostgresClient, servePostgres } from '../support/postgres-peer.ts'
import { RawServer, RawSocket } from '../support/raw-socket.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { tlsSecret } from '../support/secrets.ts'
import { openTls } from '../support/tls-client.ts'
import { waitFor } from '../support/wait.ts'
import { service } from '../support/yaml.ts'

const PASSWORD = 'correct horse'
const MIB = 1024 * 1024

const authority = Authority.create('Databases')
const ca = authority.certificate
const edge = authority.issue(['mysql.test', 'redis.test', 'postgres.test'])
const own = authority.issue(['mysql.inside.test', 'postgres.inside.test'])
const inside = createSecureContext({ cert: own.certificate, key: own.key })

/** Gateway port -> the database behind it. The last three are inside TLS that the gateway ends. */
const MYSQL = 3306
const MYSQL_TLS = 3307
const MYSQL_FULL = 3308
const POSTGRES = 5432
const POSTGRES_TLS = 5433
const REDIS = 6379
const MONGO = 27017
const TLS = 443

/** An op of MongoDB's wire protocol: total length, request id, response to, opcode, then a body. */
function mongoMessage(requestId: number, responseTo: number, body: Buffer): Buffer {
  const head = Buffer.alloc(16)
  head.writeInt32LE(16 + body.length, 0)
  head.writeInt32LE(requestId, 4)
  head.writeInt32LE(responseTo, 8)
  head.writeInt32LE(2013, 12)
  return Buffer.concat([head, body])
}

async function readMongo(
  reader: PacketReader,
): Promise<{ requestId: number; responseTo: number; body: Buffer }> {
  const head = await reader.take(16)
  return {
    requestId: head.readInt32LE(4),
    responseTo: head.readInt32LE(8),
    body: await reader.take(head.readInt32LE(0) - 16),
  }
}

async function serveMongo(socket: Socket): Promise<void> {
  const reader = new PacketReader(socket)
  for (let id = 1000; ; id++) {
    const { requestId, body } = await readMongo(reader)
    socket.write(mongoMessage(id, requestId, body))
  }
}

const ignored = (): void => undefined

/** A server whose conversations end when their clients do. */
const scripted = (converse: (socket: Socket) => Promise<unknown>): Promise<RawServer> =>
  new RawServer((socket) => {
    converse(socket).catch(() => socket.end())
  }).listen()

const servers: AsyncDisposable[] = []
const postgresCodes: (readonly number[])[] = []
let redis: RedisServer
let directPort = 0
let gw: TestGateway

const server = (port: number, protocol: string): string =>
  `  - { port: { number: ${port}, name: p${port}, protocol: ${protocol} }, hosts: ["*"] }\n`

const rule = (name: string, port: number): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: on-${port} }
spec:
  hosts: ["*"]
  gateways: [databases]
  tcp: [{ match: [{ port: ${port} }], route: [{ destination: { host: ${name} } }] }]
---
`

const behindTls = (name: string): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}-tls }
spec:
  hosts: [${name}.test]
  gateways: [inside-tls]
  tcp: [{ route: [{ destination: { host: ${name} } }] }]
---
`

const terminated = (name: string): string =>
  `  - { port: { number: ${TLS}, name: ${name}, protocol: TLS }, hosts: [${name}.test], tls: { mode: SIMPLE, credentialName: edge } }\n`

beforeAll(async () => {
  const [mysql, mysqlTls, full, postgres, postgresTls, mongo] = await Promise.all([
    scripted((socket) => serveMysql(socket, { password: PASSWORD })),
    scripted((socket) => serveMysql(socket, { password: PASSWORD, secureContext: inside })),
    new RawServer(refuseMysql).listen(),
    scripted(async (socket) => postgresCodes.push(await servePostgres(socket))),
    scripted((socket) => servePostgres(socket, inside)),
    scripted(serveMongo),
  ])
  // TLS from the first byte, as Postgres 17 offers it (sslnegotiation=direct).
  const direct = createTlsServer(
    { cert: own.certificate, key: own.key, ALPNProtocols: ['postgresql'] },
    (socket) => {
      socket.on('error', ignored)
      void servePostgres(socket).catch(ignored)
    },
  ).listen(0, '127.0.0.1')
  await once(direct, 'listening')
  const address = direct.address()
  directPort = typeof address === 'object' && address !== null ? address.port : 0
  servers.push(mysql, mysqlTls, full, postgres, postgresTls, mongo, {
    [Symbol.asyncDispose]: async () => void direct.close(),
  })
  redis = await startRedis({ password: PASSWORD.replace(' ', '-') })
  const services: [name: string, port: number, target: number][] = [
    ['mysql', MYSQL, mysql.port],
    ['mysql-tls', MYSQL_TLS, mysqlTls.port],
    ['full', MYSQL_FULL, full.port],
    ['postgres', POSTGRES, postgres.port],
    ['postgres-tls', POSTGRES_TLS, postgresTls.port],
    ['redis', REDIS, redis.port],
    ['mongo', MONGO, mongo.port],
  ]
  gw = await startGateway(
    tlsSecret('edge', edge) +
      services
        .map(([name, port, target]) => service(name, target, { port, portName: 'tcp' }))
        .join('') +
      service('direct', directPort, { port: 5434, portName: 'tls' }) +
      `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: databases }
spec:
  servers:
${server(MYSQL, 'MYSQL')}${server(MYSQL_TLS, 'mysql')}${server(MYSQL_FULL, 'MySQL')}${server(POSTGRES, 'TCP')}${server(POSTGRES_TLS, 'tcp')}${server(REDIS, 'REDIS')}${server(MONGO, 'MONGO')}---
` +
      services.map(([name, port]) => rule(name, port)).join('') +
      `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: inside-tls }
spec:
  servers:
${terminated('mysql')}${terminated('redis')}${terminated('postgres')}  - { port: { number: ${TLS}, name: direct, protocol: TLS }, hosts: [postgres.inside.test], tls: { mode: PASSTHROUGH } }
---
${behindTls('mysql')}${behindTls('redis')}${behindTls('postgres')}apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: direct }
spec:
  hosts: [postgres.inside.test]
  gateways: [inside-tls]
  tls: [{ match: [{ sniHosts: [postgres.inside.test] }], route: [{ destination: { host: direct } }] }]
---
`,
    {
      ports: [MYSQL, MYSQL_TLS, MYSQL_FULL, POSTGRES, POSTGRES_TLS, REDIS, MONGO, TLS],
    },
  )
  expect(gw.gateway.problems.filter(({ severity }) => severity === 'error')).toEqual([])
})
afterAll(async () => {
  await gw[Symbol.asyncDispose]()
  await redis[Symbol.asyncDispose]()
  for (const each of servers) await each[Symbol.asyncDispose]()
})

async function dial(gatewayPort: number): Promise<Socket> {
  const socket = connect({ port: gw.port(gatewayPort), host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  return socket
}

const untilSplicesEnd = (): Promise<boolean> =>
  waitFor('the splices to end', () => gw.gateway.activeExchanges === 0)

test('MYSQL, REDIS and MONGO servers listen as TCP', () => {
  for (const port of [MYSQL, REDIS, MONGO]) expect(gw.listener(port).type).toBe('tcp')
})

describe('MySQL, whose server speaks first', () => {
  test('greeting, handshake response, OK, queries, quit', async () => {
    const client = await MysqlClient.login(await dial(MYSQL), PASSWORD)
    expect(client.version).toBe('8.4.0-scripted')
    for (const text of ['SELECT 1', 'SELECT 2', 'x'.repeat(MIB)]) {
      expect(await client.query(text)).toBe(text)
    }
    await client.quit()
    await untilSplicesEnd()
  })

  test('a wrong password: the error arrives before the end', async () => {
    const socket = await dial(MYSQL)
    await expect(MysqlClient.login(socket, 'guess')).rejects.toThrow('Access denied')
    socket.end()
    await untilSplicesEnd()
  })

  test('a server that is full refuses instead of greeting', async () => {
    const socket = await dial(MYSQL_FULL)
    await expect(MysqlClient.login(socket, PASSWORD)).rejects.toThrow('Too many connections')
    socket.end()
    await untilSplicesEnd()
  })

  test('TLS that begins inside the protocol is between client and server', async () => {
    const client = await MysqlClient.login(await dial(MYSQL_TLS), PASSWORD, {
      ca,
      servername: 'mysql.inside.test',
    })
    expect(await client.query('SELECT 1')).toBe('SELECT 1')
    await client.quit()
    await untilSplicesEnd()
  })

  test('behind TLS that the gateway ends, the greeting needs no byte of the client', async () => {
    const secure = await openTls(gw.port(TLS), 'mysql.test', { ca })
    const client = await MysqlClient.login(secure, PASSWORD)
    expect(await client.query('SELECT 1')).toBe('SELECT 1')
    await client.quit()
    await untilSplicesEnd()
  })
})

describe('Postgres, whose client speaks first', () => {
  test('SSLRequest, N, startup, queries, terminate', async () => {
    postgresCodes.length = 0
    const client = await PostgresClient.login(await dial(POSTGRES), {
      mode: 'prefer',
      ca,
      servername: 'postgres.inside.test',
    })
    expect(client.encrypted).toBe(false)
    expect(await client.query('SELECT 1')).toBe('SELECT 1')
    await client.quit()
    await waitFor('the conversation to end', () => postgresCodes.length === 1)
    expect(postgresCodes).toEqual([[80_877_103, 196_608]])
  })

  test('SSLRequest, S: TLS is between client and server', async () => {
    const client = await PostgresClient.login(await dial(POSTGRES_TLS), {
      mode: 'prefer',
      ca,
      servername: 'postgres.inside.test',
    })
    expect(client.encrypted).toBe(true)
    const long = 'y'.repeat(MIB)
    expect(await client.query(long)).toBe(long)
    await client.quit()
    await untilSplicesEnd()
  })

  test('a client that ended its side gets the answers to all it asked', async () => {
    const socket = await dial(POSTGRES)
    const client = await PostgresClient.login(socket, { mode: 'disable' })
    const queries = ['a', 'b', 'z'.repeat(MIB)]
    for (const text of queries) client.send(text)
    socket.end()
    for (const text of queries) expect(await client.row()).toBe(text)
    await client.ended()
    await untilSplicesEnd()
  })

  test('CancelRequest: a connection without an answer', async () => {
    await PostgresClient.cancel(await dial(POSTGRES))
    await untilSplicesEnd()
  })

  test('TLS from the first byte passes through by server name, ALPN and all', async () => {
    const secure = await openTls(gw.port(TLS), 'postgres.inside.test', {
      ca,
      ALPNProtocols: ['postgresql'],
    })
    expect(secure.alpnProtocol).toBe('postgresql')
    const client = await PostgresClient.login(secure, { mode: 'disable' })
    expect(await client.query('SELECT 1')).toBe('SELECT 1')
    await client.quit()
    await untilSplicesEnd()
  })

  test('TLS from the first byte ends at the gateway', async () => {
    const secure = await openTls(gw.port(TLS), 'postgres.test', { ca })
    const client = await PostgresClient.login(secure, { mode: 'disable' })
    expect(await client.query('SELECT 1')).toBe('SELECT 1')
    await client.quit()
    await untilSplicesEnd()
  })

  test('an SSLRequest to a port that speaks TLS itself is closed, and says so', async () => {
    const socket = await dial(TLS)
    const ssl = { mode: 'prefer', ca, servername: 'postgres.test' } as const
    await expect(PostgresClient.login(socket, ssl)).rejects.toThrow()
    expect(gw.gateway.failedHandshakes[0]).toMatchObject({ reason: 'not-tls' })
  })
})

describe('a real Redis', () => {
  const password = PASSWORD.replace(' ', '-')
  const client = async (gatewayPort: number, serverName?: string): Promise<Redis> => {
    const made = new Redis(gw.port(gatewayPort), '127.0.0.1', {
      protocol: 2,
      password,
      lazyConnect: true,
      retryStrategy: () => null,
      ...(serverName === undefined ? {} : { tls: { ca, servername: serverName } }),
    })
    made.on('error', ignored)
    await made.connect()
    return made
  }

  test('commands, pipelines, transactions and values of any bytes', async () => {
    const redisClient = await client(REDIS)
    const value = Buffer.from(Array.from({ length: 3 * MIB }, (_, index) => index & 0xff))
    await redisClient.set('big', value)
    expect((await redisClient.getBuffer('big'))?.equals(value)).toBe(true)
    const pipeline = redisClient.pipeline()
    for (let count = 0; count < 500; count++) pipeline.incr('counter')
    const answers = await pipeline.exec()
    expect(answers?.at(-1)).toEqual([null, 500])
    expect(await redisClient.multi().set('a', '1').incr('a').exec()).toEqual([
      [null, 'OK'],
      [null, 2],
    ])
    redisClient.disconnect()
    await untilSplicesEnd()
  })

  test('published messages arrive on a connection that says nothing itself', async () => {
    const listener = await client(REDIS)
    const speaker = await client(REDIS)
    const heard: string[] = []
    listener.on('message', (_channel, text: string) => heard.push(text))
    await listener.subscribe('news')
    for (const text of ['one', 'two']) await speaker.publish('news', text)
    await waitFor('both messages', () => heard.length === 2)
    expect(heard).toEqual(['one', 'two'])
    listener.disconnect()
    speaker.disconnect()
    await untilSplicesEnd()
  })

  test('QUIT: OK, then the end of the server', async () => {
    const socket = await RawSocket.connect(gw.port(REDIS))
    socket.write('QUIT\r\n')
    expect(await socket.untilEnd()).toBe('+OK\r\n')
    socket.end()
    await untilSplicesEnd()
  })

  test('inside TLS that the gateway ends', async () => {
    const redisClient = await client(TLS, 'redis.test')
    await redisClient.set('greeting', 'hello')
    expect(await redisClient.get('greeting')).toBe('hello')
    redisClient.disconnect()
    await untilSplicesEnd()
  })
})

test('MongoDB: messages answered by request id, many at once', async () => {
  const socket = await dial(MONGO)
  const reader = new PacketReader(socket)
  const sizes = [0, 1, 16_384, 16_385, MIB]
  for (const [index, size] of sizes.entries()) {
    socket.write(mongoMessage(index + 1, 0, Buffer.alloc(size, index)))
  }
  for (const [index, size] of sizes.entries()) {
    const answer = await readMongo(reader)
    expect(answer.responseTo).toBe(index + 1)
    expect(answer.body.equals(Buffer.alloc(size, index))).toBe(true)
  }
  socket.end()
  await untilSplicesEnd()
})
