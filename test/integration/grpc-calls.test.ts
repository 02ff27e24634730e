import { type Client, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { ECHO, grpcClient, type GrpcServer, startGrpcServer } from '../support/grpc.ts'
import { httpsGateway, tlsSecret } from '../support/secrets.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const authority = Authority.create('gRPC test')
const MESSAGES = 200
const LARGE_BYTES = 1_000_000

/** What the server noticed of calls that ended early. */
const cancelled: string[] = []
let server: GrpcServer
let gw: TestGateway

beforeAll(async () => {
  server = await startGrpcServer({
    unary(call, answer) {
      const text = call.request.toString()
      if (text === 'silence') {
        call.on('cancelled', () => cancelled.push('unary'))
        return
      }
      if (text === 'refuse') {
        const details = new Metadata()
        details.set('reason', 'because')
        answer({ code: status.FAILED_PRECONDITION, details: 'not äny more', metadata: details })
        return
      }
      const head = new Metadata()
      head.set('seen', String(call.metadata.get('asked')[0] ?? ''))
      head.set('seen-bin', Buffer.from([0, 255, 1]))
      call.sendMetadata(head)
      const trailers = new Metadata()
      trailers.set('behind', 'yes')
      answer(null, call.request, trailers)
    },
    serverStream(call) {
      const count = Number(call.request.toString())
      let sent = 0
      const more = (): void => {
        while (sent < count) {
          if (!call.write(Buffer.alloc(10_000, sent++ & 0xff))) {
            call.once('drain', more)
            return
          }
        }
        call.end()
      }
      call.on('cancelled', () => cancelled.push('serverStream'))
      more()
    },
    clientStream(call, answer) {
      let bytes = 0
      call.on('data', (message: Buffer) => (bytes += message.length))
      call.on('end', () => answer(null, Buffer.from(String(bytes))))
    },
    bidi(call) {
      call.on('data', (message: Buffer) => call.write(Buffer.from(`re: ${message.toString()}`)))
      call.on('end', () => call.end())
    },
  })
  gw = await startGateway(
    tlsSecret('grpc-cert', authority.issue(['grpc.test'])) +
      httpsGateway('secure', [
        { hosts: ['grpc.test'], tls: '{ mode: SIMPLE, credentialName: grpc-cert }' },
      ]) +
      gateway('plain', ['grpc.test']) +
      service('echo', server.port, { portName: 'grpc' }) +
      virtualService(
        'grpc',
        ['grpc.test'],
        ['plain', 'secure'],
        '  - route: [{ destination: { host: echo.default.svc.cluster.local, port: { number: 8080 } } }]',
      ),
    { ports: [80, 443] },
  )
})

afterAll(async () => {
  await gw[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

interface Answer {
  readonly error: ServiceError | null
  readonly body: string
  readonly head: Metadata | null
  readonly trailers: Metadata | null
}

function unary(
  client: Client,
  text: string,
  options: { deadlineMs?: number } = {},
): Promise<Answer> {
  const metadata = new Metadata()
  metadata.set('asked', 'this')
  const { path, requestSerialize, responseDeserialize } = ECHO.unary
  const deadline =
    options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs }
  return new Promise((resolve) => {
    let head: Metadata | null = null
    let trailers: Metadata | null = null
    let outcome: { error: ServiceError | null; body: string } | null = null
    const settle = (): void => {
      if (outcome !== null && trailers !== null) resolve({ ...outcome, head, trailers })
    }
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      Buffer.from(text),
      metadata,
      deadline,
      (error, body) => {
        outcome = { error, body: body?.toString() ?? '' }
        settle()
      },
    )
    call.on('metadata', (fields: Metadata) => (head = fields))
    call.on('status', (end: { metadata: Metadata }) => {
      trailers = end.metadata
      settle()
    })
  })
}

describe.each([
  ['h2c', 80, null],
  ['TLS', 443, authority.certificate],
] as const)('gRPC over %s', (_name, port, ca) => {
  let client: Client

  beforeAll(() => {
    client = grpcClient(gw.port(port), 'grpc.test', ca)
  })

  afterAll(() => client.close())

  test('a unary call with metadata both ways, binary values and trailers', async () => {
    const answer = await unary(client, 'hello')
    expect(answer.error).toBeNull()
    expect(answer.body).toBe('hello')
    expect(answer.head?.get('seen')).toEqual(['this'])
    expect(answer.head?.get('seen-bin')).toEqual([Buffer.from([0, 255, 1])])
    expect(answer.trailers?.get('behind')).toEqual(['yes'])
  })

  test('a status with details and metadata comes through as it was', async () => {
    const { error } = await unary(client, 'refuse')
    expect([error?.code, error?.details]).toEqual([status.FAILED_PRECONDITION, 'not äny more'])
    expect(error?.metadata.get('reason')).toEqual(['because'])
  })

  test('a message of a megabyte', async () => {
    const text = 'm'.repeat(LARGE_BYTES)
    const { error, body } = await unary(client, text)
    expect(error).toBeNull()
    expect(body === text).toBe(true)
  })

  test('a server stream, read by fits and starts, arrives whole and in order', async () => {
    const { path, requestSerialize, responseDeserialize } = ECHO.serverStream
    const call = client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      Buffer.from(String(MESSAGES)),
    )
    const firsts: number[] = []
    for await (const message of call as AsyncIterable<Buffer>) {
      expect(message.length).toBe(10_000)
      firsts.push(message[0]!)
      if (firsts.length % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(firsts).toEqual(Array.from({ length: MESSAGES }, (_, index) => index & 0xff))
  })

  test('a client stream is counted to the last byte', async () => {
    const { path, requestSerialize, responseDeserialize } = ECHO.clientStream
    const counted = await new Promise<string>((resolve, reject) => {
      const call = client.makeClientStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        (error, body) => (error === null ? resolve(body?.toString() ?? '') : reject(error)),
      )
      for (let i = 0; i < MESSAGES; i++) call.write(Buffer.alloc(5_000))
      call.end()
    })
    expect(counted).toBe(String(MESSAGES * 5_000))
  })

  test('a bidirectional stream talks back and forth', async () => {
    const { path, requestSerialize, responseDeserialize } = ECHO.bidi
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
    const heard: string[] = []
    call.write(Buffer.from('0'))
    for await (const message of call as AsyncIterable<Buffer>) {
      heard.push(message.toString())
      if (heard.length < 20) call.write(Buffer.from(String(heard.length)))
      else call.end()
    }
    expect(heard).toEqual(Array.from({ length: 20 }, (_, index) => `re: ${index}`))
  })

  test('a deadline that passes ends the call at both ends', async () => {
    cancelled.length = 0
    const { error } = await unary(client, 'silence', { deadlineMs: 300 })
    expect(error?.code).toBe(status.DEADLINE_EXCEEDED)
    await waitFor('the server to hear of it', () => cancelled.includes('unary'))
  })

  test('a call that the client gives up is given up at the server', async () => {
    cancelled.length = 0
    const { path, requestSerialize, responseDeserialize } = ECHO.serverStream
    const call = client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      Buffer.from('1000000'),
    )
    const code = await new Promise<number>((resolve) => {
      call.once('data', () => call.cancel())
      call.on('error', (error: ServiceError) => resolve(error.code))
    })
    expect(code).toBe(status.CANCELLED)
    await waitFor('the server to hear of it', () => cancelled.includes('serverStream'))
  })
})

test('a host without a route answers UNIMPLEMENTED, a dead upstream UNAVAILABLE', async () => {
  const stranger = grpcClient(gw.port(80), 'other.test')
  const { error } = await unary(stranger, 'hello')
  stranger.close()
  expect(error?.code).toBe(status.UNIMPLEMENTED)
  const dead = await startGrpcServer({})
  await dead[Symbol.asyncDispose]()
  await using edge = await startGateway(
    gateway('plain', ['dead.test']) +
      service('dead', dead.port, { portName: 'grpc' }) +
      virtualService(
        'dead',
        ['dead.test'],
        ['plain'],
        '  - route: [{ destination: { host: dead.default.svc.cluster.local, port: { number: 8080 } } }]',
      ),
    { ports: [80] },
  )
  const caller = grpcClient(edge.port(80), 'dead.test')
  const refused = await unary(caller, 'hello')
  caller.close()
  expect(refused.error?.code).toBe(status.UNAVAILABLE)
})
