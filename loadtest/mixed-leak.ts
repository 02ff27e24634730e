import { Agent, request } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { startGateway } from '../test/support/gateway.ts'
import { waitFor } from '../test/support/wait.ts'
import { wireRoutes } from '../test/support/wire-gateway.ts'

/**
 * Traffic with losses on both sides: of ten requests one client leaves and one upstream resets, in
 * two phases each: `node loadtest/mixed-leak.ts [--count 100000]`. Ends with 1 when sockets, timers
 * and exchanges are not as many as before, when an answer is wrong, or when memory grew.
 */
const { values } = parseArgs({ options: { count: { type: 'string', default: '100000' } } })
const count = Number(values.count)
const WORKERS = 16
const STEPS = 10
/** Pools, tables and compiled code settle within the first steps. */
const SETTLED = 3
const MAX_HEAP_GROWTH = 0.05
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const PART = 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf of it'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Says ok; resets, at once or within its answer; or waits, and tells who waits for that. */
class LossyBackend implements AsyncDisposable {
  readonly sockets = new Set<Socket>()
  readonly #waiting = new Map<string, () => void>()
  readonly #server: Server

  constructor() {
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => this.sockets.delete(socket))
      socket.on('data', (chunk: Buffer) => this.#serve(socket, chunk.toString('latin1')))
    })
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return (this.#server.address() as AddressInfo).port
  }

  /** Resolves when the request for `path` has come. */
  async arrival(path: string): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.set(path, resolve))
  }

  #serve(socket: Socket, text: string): void {
    const path = text.slice(text.indexOf(' ') + 1, text.indexOf(' HTTP/'))
    if (path === '/ok') socket.write(OK)
    else if (path === '/reset') socket.resetAndDestroy()
    else if (path === '/part-reset') socket.write(PART, () => socket.resetAndDestroy())
    else if (path.startsWith('/part')) socket.write(PART)
    const arrived = this.#waiting.get(path)
    this.#waiting.delete(path)
    arrived?.()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

await using backend = new LossyBackend()
await using gateway = await startGateway(wireRoutes(await backend.listen()), { ports: [80] })
const port = gateway.port(80)
const outcomes = new Map<string, number>()
const before = standing()
const heaps: number[] = []
const started = performance.now()
for (let step = 1; step <= STEPS; step++) {
  await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(step, worker)))
  collectGarbage()
  heaps.push(process.memoryUsage().heapUsed)
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  console.log(`${step}/${STEPS} after ${seconds} s, heap ${mebibytes(heaps.at(-1)!)} MiB`)
}
// What a pool keeps for later is no leak: the backend takes it away.
for (const socket of backend.sockets) socket.destroy()
let after = standing()
const clean = await waitFor('everything to be as before', () => {
  after = standing()
  return JSON.stringify(after) === JSON.stringify(before)
}).catch(() => false)
const growth = heaps.at(-1)! / heaps[SETTLED - 1]! - 1
const wrong = outcomes.get('wrong') ?? 0
console.log('outcomes:', JSON.stringify(Object.fromEntries([...outcomes].toSorted())))
console.log('before:', JSON.stringify(before))
console.log('after: ', JSON.stringify(after))
console.log(`heap growth since step ${SETTLED}: ${(growth * 100).toFixed(1)} %`)
process.exitCode = clean && wrong === 0 && growth < MAX_HEAP_GROWTH ? 0 : 1

/** One worker's part of a step: eight of ten requests are answered. */
async function work(step: number, worker: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const share = Math.round(count / STEPS / WORKERS)
  for (let i = 0; i < share; i++) {
    const turn = (i + worker) % 20
    if (turn === 0) await leave(agent, `/wait-${step}-${worker}-${i}`, false)
    else if (turn === 10) await leave(agent, `/part-${step}-${worker}-${i}`, true)
    else if (turn === 5) note(await ask(agent, '/reset'), '503', 'upstream reset')
    else if (turn === 15) note(await ask(agent, '/part-reset'), 'cut', 'upstream reset in answer')
    else note(await ask(agent, '/ok'), '200 ok', 'answered')
  }
  agent.destroy()
}

function note(found: string, expected: string, name: string): void {
  const key = found === expected ? name : 'wrong'
  if (found !== expected) console.log(`${name}: ${found} instead of ${expected}`)
  outcomes.set(key, (outcomes.get(key) ?? 0) + 1)
}

/** `503`, `200 ok`, or `cut` when the answer breaks off. */
async function ask(agent: Agent, path: string): Promise<string> {
  return await new Promise((resolve) => {
    const call = request({ port, path, agent, headers: { host: 'shop.test' } }, (answer) => {
      let body = ''
      answer.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')))
      answer.on('end', () => resolve(answer.statusCode === 200 ? `200 ${body}` : '503'))
      answer.on('error', () => resolve('cut'))
    })
    call.on('error', () => resolve('cut'))
    call.end()
  })
}

/** Leaves while the backend is silent, or within its answer. */
async function leave(agent: Agent, path: string, answered: boolean): Promise<void> {
  const arrival = answered ? null : backend.arrival(path)
  const call = request({ port, path, agent, headers: { host: 'shop.test' } })
  call.on('error', () => {})
  const gone = new Promise((resolve) => call.once('close', resolve))
  const begun = new Promise<void>((resolve) => {
    call.once('response', (answer) => {
      answer.on('error', () => {})
      answer.once('data', () => resolve())
    })
  })
  call.end()
  await (arrival ?? begun)
  // One that only closed its side would still get its answer.
  call.socket?.resetAndDestroy()
  await gone
  note('', '', answered ? 'client left within the answer' : 'client left while it waited')
}

/** Everything that exchanges could leave behind in this process. */
function standing(): Readonly<Record<string, number>> {
  const open = process.getActiveResourcesInfo()
  const endpoints = gateway.gateway.describeClusters().flatMap(({ endpoints: each }) => each)
  return {
    exchanges: gateway.gateway.activeExchanges,
    clientConnections: gateway.gateway.boundListeners.reduce(
      (sum, one) => sum + one.connections,
      0,
    ),
    upstreamRequests: endpoints.reduce((sum, each) => sum + each.activeRequests, 0),
    sockets: open.filter((name) => name === 'TCPSocketWrap' || name === 'TCPWRAP').length,
    timers: open.filter((name) => name === 'Timeout').length,
  }
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1)
}
