import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { OVER_LIMIT, type ServiceResponse } from '../wire/response-message.ts'
import { answerTimeMs } from './answer-time.ts'
import type { Asker, Decider } from './decider.ts'
import type { Health } from './health.ts'
import { readRequest, writeResponse } from './json-messages.ts'

const MAX_BODY_BYTES = 64 * 1024
/** From the first byte of a head to the last of its body. */
const REQUEST_TIMEOUT_MS = 10_000
const KEEP_ALIVE_MS = 60_000

/** One caller of POST /json. */
class JsonAsker implements Asker {
  readonly #response: ServerResponse

  constructor(response: ServerResponse) {
    this.#response = response
  }

  decided(response: ServiceResponse): void {
    const status = response.code === OVER_LIMIT ? 429 : 200
    send(this.#response, status, 'application/json', writeResponse(response))
  }

  unavailable(): void {
    send(this.#response, 500, 'text/plain', 'the counters cannot be reached\n')
  }
}

/**
 * The HTTP side of envoyproxy/ratelimit: POST /json and GET /healthcheck. Takes connections from
 * outside; it does not listen itself.
 */
export function createJsonServer(
  decider: Decider,
  health: Health,
  requestTimeoutMs: number = REQUEST_TIMEOUT_MS,
): Server {
  const timeouts = {
    requestTimeout: requestTimeoutMs,
    headersTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.ceil(requestTimeoutMs / 4),
  }
  const server = createServer(timeouts, (request, response) => {
    // A service that is leaving lets go of its callers.
    if (!health.serving) response.setHeader('connection', 'close')
    const path = (request.url ?? '').split('?', 1)[0]
    if (path === '/json') readBody(request, response, (text) => answer(text, response, decider))
    else if (path === '/healthcheck' && request.method === 'GET') {
      if (health.serving) send(response, 200, 'text/plain', 'OK')
      else send(response, 500, 'text/plain', 'NOT_SERVING')
    } else send(response, 404, 'text/plain', 'POST /json, GET /healthcheck\n')
  })
  server.keepAliveTimeout = KEEP_ALIVE_MS
  // Node looks for requests that take too long once a server listens, which this one never does.
  server.emit('listening')
  return server
}

function answer(text: string, response: ServerResponse, decider: Decider): void {
  const request = readRequest(text)
  const wrong =
    typeof request === 'string'
      ? request
      : decider.ask(request, answerTimeMs(Number.POSITIVE_INFINITY), new JsonAsker(response))
  if (wrong !== null) send(response, 400, 'text/plain', `${wrong}\n`)
}

function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  done: (text: string) => void,
): void {
  if (request.method !== 'POST') {
    response.setHeader('allow', 'POST')
    send(response, 405, 'text/plain', 'POST a RateLimitRequest\n')
    return
  }
  const chunks: Buffer[] = []
  let length = 0
  request.on('data', (chunk: Buffer) => {
    length += chunk.length
    if (length <= MAX_BODY_BYTES) chunks.push(chunk)
  })
  request.on('end', () => {
    if (length <= MAX_BODY_BYTES) done(Buffer.concat(chunks).toString('utf8'))
    else send(response, 413, 'text/plain', `the body is longer than ${MAX_BODY_BYTES} bytes\n`)
  })
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  if (response.headersSent || response.destroyed) return
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
