import { Client, credentials, Server, ServerCredentials, type ServiceError } from '@grpc/grpc-js'
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js'

/**
 * envoy.service.ratelimit.v3.RateLimitService as others speak it: messages are written and read here
 * field by field, by the numbers of the API, apart from the gateway's own code.
 */
export const METHOD = '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit'

export interface AskedDescriptor {
  readonly entries: readonly (readonly [key: string, value: string])[]
  readonly limit?: { readonly requestsPerUnit: number; readonly unit: number }
  readonly hitsAddend?: number
}

export interface Asked {
  readonly domain: string
  readonly descriptors: readonly AskedDescriptor[]
  readonly hitsAddend?: number
}

export interface AnsweredStatus {
  readonly code?: number
  readonly limit?: {
    readonly requestsPerUnit: number
    readonly unit: number
    readonly name?: string
  }
  readonly remaining?: number
  readonly resetSeconds?: number
}

export interface Answered {
  readonly code: number
  readonly statuses?: readonly AnsweredStatus[]
  readonly responseHeaders?: readonly (readonly [name: string, value: string])[]
  readonly requestHeaders?: readonly (readonly [name: string, value: string])[]
  readonly body?: string | Buffer
}

type Field = readonly [field: number, value: number | Buffer]

function uvarint(value: number): Buffer {
  const bytes: number[] = []
  let rest = BigInt(value)
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  return Buffer.from([...bytes, Number(rest)])
}

export function message(...fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([field, value]) =>
      typeof value === 'number'
        ? [uvarint(field << 3), uvarint(value)]
        : [uvarint((field << 3) | 2), uvarint(value.length), value],
    ),
  )
}

export function fieldsOf(bytes: Buffer): Field[] {
  const fields: Field[] = []
  let at = 0
  const next = (): number => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes.readUInt8(at++)
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return Number(value)
    }
  }
  while (at < bytes.length) {
    const tag = next()
    const number = next()
    if ((tag & 7) === 0) fields.push([tag >> 3, number])
    else {
      if ((tag & 7) !== 2 || at + number > bytes.length) throw new Error('broken message')
      fields.push([tag >> 3, bytes.subarray(at, at + number)])
      at += number
    }
  }
  return fields
}

const text = (value: number | Buffer): string => Buffer.from(value as Buffer).toString('utf8')
const first = (fields: readonly Field[], field: number): number | Buffer | undefined =>
  fields.find(([number]) => number === field)?.[1]
const all = (fields: readonly Field[], field: number): Buffer[] =>
  fields.filter(([number]) => number === field).map(([, value]) => value as Buffer)
const utf8 = (value: string): Buffer => Buffer.from(value, 'utf8')

export function requestBytes({ domain, descriptors, hitsAddend }: Asked): Buffer {
  return message(
    [1, utf8(domain)],
    ...descriptors.map(({ entries, limit, hitsAddend: own }): Field => [
      2,
      message(
        ...entries.map(([key, value]): Field => [1, message([1, utf8(key)], [2, utf8(value)])]),
        ...(limit === undefined
          ? []
          : [[2, message([1, limit.requestsPerUnit], [2, limit.unit])] as const]),
        ...(own === undefined
          ? []
          : [[3, own === 0 ? Buffer.alloc(0) : message([1, own])] as const]),
      ),
    ]),
    ...(hitsAddend === undefined ? [] : [[3, hitsAddend] as const]),
  )
}

function readAsked(bytes: Buffer): Asked {
  const fields = fieldsOf(bytes)
  const hits = first(fields, 3)
  return {
    domain: text(first(fields, 1) ?? Buffer.alloc(0)),
    descriptors: all(fields, 2).map((descriptor) => {
      const inner = fieldsOf(descriptor)
      const own = first(inner, 3)
      return {
        entries: all(inner, 1).map((entry) => {
          const pair = fieldsOf(entry)
          const none = Buffer.alloc(0)
          return [text(first(pair, 1) ?? none), text(first(pair, 2) ?? none)] as const
        }),
        ...(own === undefined
          ? {}
          : { hitsAddend: (first(fieldsOf(own as Buffer), 1) ?? 0) as number }),
      }
    }),
    ...(hits === undefined ? {} : { hitsAddend: hits as number }),
  }
}

export function responseBytes(answered: Answered): Buffer {
  const header = ([name, value]: readonly [string, string]): Buffer =>
    message([1, utf8(name)], [2, utf8(value)])
  return message(
    [1, answered.code],
    ...(answered.statuses ?? []).map((status): Field => [2, statusBytes(status)]),
    ...(answered.responseHeaders ?? []).map((pair): Field => [3, header(pair)]),
    ...(answered.requestHeaders ?? []).map((pair): Field => [4, header(pair)]),
    ...(answered.body === undefined ? [] : [[5, Buffer.from(answered.body)] as const]),
  )
}

function statusBytes({ code, limit, remaining, resetSeconds }: AnsweredStatus): Buffer {
  return message(
    ...(code === undefined ? [] : [[1, code] as const]),
    ...(limit === undefined
      ? []
      : [
          [
            2,
            message(
              [1, limit.requestsPerUnit],
              [2, limit.unit],
              ...(limit.name === undefined ? [] : [[3, utf8(limit.name)] as const]),
            ),
          ] as const,
        ]),
    ...(remaining === undefined ? [] : [[3, remaining] as const]),
    ...(resetSeconds === undefined ? [] : [[4, message([1, resetSeconds])] as const]),
  )
}

function readAnswered(bytes: Buffer): Answered {
  const fields = fieldsOf(bytes)
  const pair = (item: Buffer): readonly [string, string] => {
    const inner = fieldsOf(item)
    return [text(first(inner, 1) as Buffer), text(first(inner, 2) as Buffer)]
  }
  return {
    code: (first(fields, 1) ?? 0) as number,
    statuses: all(fields, 2).map((item) => {
      const inner = fieldsOf(item)
      const limit = first(inner, 2)
      const reset = first(inner, 4)
      return {
        code: (first(inner, 1) ?? 0) as number,
        ...(limit === undefined ? {} : { limit: readLimit(limit as Buffer) }),
        remaining: (first(inner, 3) ?? 0) as number,
        ...(reset === undefined
          ? {}
          : { resetSeconds: (first(fieldsOf(reset as Buffer), 1) ?? 0) as number }),
      }
    }),
    responseHeaders: all(fields, 3).map(pair),
  }
}

function readLimit(bytes: Buffer): NonNullable<AnsweredStatus['limit']> {
  const fields = fieldsOf(bytes)
  const name = first(fields, 3)
  return {
    requestsPerUnit: (first(fields, 1) ?? 0) as number,
    unit: (first(fields, 2) ?? 0) as number,
    ...(name === undefined ? {} : { name: text(name) }),
  }
}

export interface RateLimitServiceOptions {
  readonly host?: string
  readonly port?: number
  /** What it says to a request: an answer, bytes, an error by its gRPC code, nothing at all. */
  readonly answer: (asked: Asked) => ServiceReply | Promise<ServiceReply>
}

export type ServiceReply = Answered | { readonly grpcCode: number } | Buffer | 'silence'

export interface TestRateLimitService extends AsyncDisposable {
  readonly port: number
  readonly asked: Asked[]
  /** `:authority` of the calls. */
  readonly hosts: string[]
  /** Milliseconds callers were ready to wait, and how many of them gave up. */
  readonly deadlines: number[]
  cancelled: number
  stop(): void
}

/** A rate limit service on grpc-js; a frozen one is 'silence'. */
export async function startRateLimitService(
  options: RateLimitServiceOptions,
): Promise<TestRateLimitService> {
  const server = new Server()
  const bytes = (value: Buffer): Buffer => value
  const state = { asked: [] as Asked[], hosts: [] as string[], deadlines: [] as number[] }
  let cancelled = 0
  server.addService(
    {
      ask: {
        path: METHOD,
        requestStream: false,
        responseStream: false,
        requestSerialize: bytes,
        requestDeserialize: bytes,
        responseSerialize: bytes,
        responseDeserialize: bytes,
      },
    },
    {
      ask: (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
        call.on('cancelled', () => cancelled++)
        const asked = readAsked(call.request)
        state.asked.push(asked)
        state.hosts.push(call.getHost())
        state.deadlines.push(Number(call.getDeadline()) - Date.now())
        void Promise.resolve(options.answer(asked)).then((answer) => {
          if (answer === 'silence' || call.cancelled) return
          if (Buffer.isBuffer(answer)) done(null, answer)
          else if ('grpcCode' in answer) done({ code: answer.grpcCode, details: 'told to fail' })
          else done(null, responseBytes(answer))
        })
      },
    },
  )
  const address = `${options.host ?? '127.0.0.1'}:${options.port ?? 0}`
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  return {
    ...state,
    port,
    get cancelled() {
      return cancelled
    },
    stop: () => server.forceShutdown(),
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  }
}

export interface RateLimitCaller extends AsyncDisposable {
  ask(asked: Asked): Promise<Answered>
  /** Any method with any bytes. */
  send(method: string, bytes: Buffer): Promise<Buffer>
  readonly client: Client
}

/** A gRPC client of a rate limit service, as Envoy is one. */
export function rateLimitCaller(port: number): RateLimitCaller {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  })
  const bytes = (value: Buffer): Buffer => value
  const send = (method: string, request: Buffer): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const done = (error: ServiceError | null, answer?: Buffer): void => {
        if (error === null) resolve(answer ?? Buffer.alloc(0))
        else reject(error)
      }
      client.makeUnaryRequest(method, bytes, bytes, request, { deadline: Date.now() + 8000 }, done)
    })
  return {
    client,
    send,
    ask: async (asked) => readAnswered(await send(METHOD, requestBytes(asked))),
    [Symbol.asyncDispose]: async () => client.close(),
  }
}
