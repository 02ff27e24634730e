import { Agent, request, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { tickQueue } from '../../src/http/tick-queue.ts'
import { startGateway } from '../support/gateway.ts'
import { RawSocket } from '../support/raw-socket.ts'
import { startUpstream } from '../support/upstream.ts'
import { OPEN_HOST, wireRoutes } from '../support/wire-gateway.ts'

const CLIENTS = 48
const REQUESTS = 40
/** Every so many requests the backend closes its connection behind the answer. */
const CLOSE_EVERY = 17

/** Answers what it was asked, after the body was read. */
async function echo(asked: IncomingMessage): Promise<string> {
  return `${asked.method} ${asked.url} ${await text(asked)}`
}

test('while many sockets are read in each iteration every answer is its own', async () => {
  let served = 0
  await using app = await startUpstream((asked, answer) => {
    if (++served % CLOSE_EVERY === 0) answer.setHeader('connection', 'close')
    void echo(asked).then((body) => answer.end(body))
  })
  await using gateway = await startGateway(wireRoutes(app.port), { ports: [80] })
  const port = gateway.port(80)
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })
  let busy = 0
  const ask = async (method: string, path: string, body: string): Promise<string> => {
    const headers = { host: OPEN_HOST, 'content-length': body.length }
    const sent = request({ host: '127.0.0.1', port, agent, method, path, headers })
    sent.end(body)
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      sent.on('response', resolve).on('error', reject)
    })
    if (tickQueue.isBusy) busy++
    return text(answer)
  }
  const client = async (name: number): Promise<void> => {
    for (let i = 0; i < REQUESTS; i++) {
      const path = `/${name}/${i}`
      const body = i % 3 === 0 ? `${name}-${i}` : ''
      const method = body === '' ? 'GET' : 'POST'
      expect(await ask(method, path, body)).toBe(`${method} ${path} ${body}`)
    }
  }
  // Clients that leave while their answer is under way, pipelining ones among them.
  const leave = async (): Promise<void> => {
    for (let i = 0; i < REQUESTS; i++) {
      const raw = await RawSocket.connect(port)
      raw.write(`GET /left HTTP/1.1\r\nhost: ${OPEN_HOST}\r\n\r\n`.repeat(1 + (i % 3)))
      if (i % 2 === 0) await raw.until('left')
      raw.destroy()
    }
  }
  try {
    await Promise.all([...Array.from({ length: CLIENTS }, (_, name) => client(name)), leave()])
  } finally {
    agent.destroy()
  }
  expect(busy).toBeGreaterThan(CLIENTS)
})
