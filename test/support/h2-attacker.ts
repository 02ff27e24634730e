import { type ChildProcess, fork } from 'node:child_process'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { FLOODS } from './h2-floods.ts'
import { frame, PREFACE, SETTINGS } from './h2-frames.ts'

/** What an attacker saw. */
export interface FloodResult {
  /** Connections that the gateway closed before the flood was over. */
  readonly closed: number
  readonly connections: number
  readonly sentBytes: number
}

interface Order {
  readonly flood: string
  readonly port: number
  readonly connections: number
}

/** An attacker in a process of its own, so that its work is not the gateway's. */
export class Attacker implements AsyncDisposable {
  readonly #child: ChildProcess

  constructor() {
    this.#child = fork(fileURLToPath(import.meta.url), [ATTACKER])
  }

  /** Runs one flood over several connections at once. */
  run(flood: string, port: number, connections: number): Promise<FloodResult> {
    const order: Order = { flood, port, connections }
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new Error('the attacker has ended'))
      this.#child.once('exit', fail)
      this.#child.once('message', (result: FloodResult) => {
        this.#child.off('exit', fail)
        resolve(result)
      })
      this.#child.send(order)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill()
    await ended
  }
}

const ATTACKER = 'attack'
/** What is sent and not answered within this time is left alone. */
const PATIENCE_MS = 1_500

if (process.argv[2] === ATTACKER) {
  process.on('message', (order: Order) => {
    void attack(order).then((result) => process.send!(result))
  })
}

async function attack({ flood, port, connections }: Order): Promise<FloodResult> {
  const results = await Promise.all(
    Array.from({ length: connections }, () => floodOnce(flood, port)),
  )
  return {
    connections,
    closed: results.filter(({ closed }) => closed).length,
    sentBytes: results.reduce((sum, { sentBytes }) => sum + sentBytes, 0),
  }
}

async function floodOnce(
  name: string,
  port: number,
): Promise<{ closed: boolean; sentBytes: number }> {
  const { settings, block, blocks, deaf } = FLOODS[name]!
  const socket = connect(port, '127.0.0.1')
  let closed = false
  socket.on('error', () => {})
  socket.on('close', () => (closed = true))
  if (!deaf) socket.resume()
  const payload = Buffer.concat(settings.map(([id, value]) => setting(id, value)))
  socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, payload)]))
  const deadline = performance.now() + PATIENCE_MS
  for (let n = 0; n < blocks && !closed; n++) {
    socket.write(block(n))
    if (socket.writableNeedDrain) await drained(socket, deadline)
    else if (n % 16 === 0) await new Promise((resolve) => setImmediate(resolve))
    if (performance.now() > deadline) break
  }
  while (!closed && performance.now() < deadline) await pause()
  const left = closed
  const sentBytes = socket.bytesWritten
  socket.destroy()
  return { closed: left, sentBytes }
}

function setting(id: number, value: number): Buffer {
  const entry = Buffer.alloc(6)
  entry.writeUInt16BE(id, 0)
  entry.writeUInt32BE(value, 2)
  return entry
}

function drained(socket: ReturnType<typeof connect>, deadline: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.max(0, deadline - performance.now()))
    const go = (): void => {
      clearTimeout(timer)
      resolve()
    }
    socket.once('drain', go)
    socket.once('close', go)
  })
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20))
}
