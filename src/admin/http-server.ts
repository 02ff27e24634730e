import { fastify, type FastifyInstance } from 'fastify'
import { Guard } from './guard.ts'

export const REQUEST_TIMEOUT_MS = 10_000
const KEEP_ALIVE_MS = 5000
export const MAX_CONNECTIONS = 128
/** No endpoint reads a body; clients may send a small one along with POST. */
export const MAX_BODY_BYTES = 4096

/** Where to bind. `host` null: every address. Port 0: any free one. */
export interface ServerAddress {
  readonly host: string | null
  readonly port: number
}

/** A running server. Whoever started it closes it. */
export interface RunningServer {
  readonly host: string
  /** The bound port, also when 0 was asked for. */
  readonly port: number
  close(): Promise<void>
}

/** An ordinary Fastify server on node:http, apart from the gateway's own wire. */
export function createServer(): FastifyInstance {
  const app = fastify({
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    bodyLimit: MAX_BODY_BYTES,
    forceCloseConnections: true,
  })
  app.server.maxConnections = MAX_CONNECTIONS
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, _body, done) => done(null))
  app.setErrorHandler(async (error, _request, reply) => {
    const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
    // What went wrong inside may name files or hosts; a client error says what the client did.
    const message = status < 500 && error instanceof Error ? error.message : 'internal error'
    await reply.code(status).type('text/plain; charset=utf-8').send(`${message}\n`)
  })
  app.addHook('onSend', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff').header('cache-control', 'no-store')
  })
  return app
}

/** Refuses what Guard refuses, before anything else looks at the request. */
export function guardServer(app: FastifyInstance, address: ServerAddress): void {
  const guard = new Guard(address.host ?? '::')
  app.addHook('onRequest', async (request, reply) => {
    const refusal = guard.check(request.headers.host, request.headers.origin)
    if (refusal === null) return
    await reply.code(403).type('text/plain; charset=utf-8').send(`${refusal}\n`)
  })
}

/** Known paths answer other methods with 405, unknown paths with 404. Call after all routes. */
export function answerTheRest(app: FastifyInstance, allowed: ReadonlyMap<string, string>): void {
  app.setNotFoundHandler(async (request, reply) => {
    const path = request.url.split('?', 1)[0]!
    const allow = allowed.get(path)
    reply.type('text/plain; charset=utf-8')
    if (allow === undefined) await reply.code(404).send('no such endpoint; GET / lists them\n')
    else await reply.code(405).header('allow', allow).send(`use ${allow}\n`)
  })
}

/** Binds. Rejects with the system's error (EADDRINUSE ...). */
export async function listen(app: FastifyInstance, address: ServerAddress): Promise<RunningServer> {
  try {
    await bind(app, address)
  } catch (error) {
    await app.close()
    throw error
  }
  const bound = app.server.address()
  const { address: host, port } =
    bound !== null && typeof bound === 'object' ? bound : { address: '', port: address.port }
  return { host, port, close: () => app.close() }
}

async function bind(app: FastifyInstance, { host, port }: ServerAddress): Promise<void> {
  await app.ready()
  await new Promise<void>((resolve, reject) => {
    app.server.once('error', reject)
    const bound = (): void => {
      app.server.off('error', reject)
      resolve()
    }
    // Without a host Node takes IPv6 and IPv4, or IPv4 alone where there is no IPv6.
    if (host === null) app.server.listen(port, bound)
    else app.server.listen(port, host, bound)
  })
}
