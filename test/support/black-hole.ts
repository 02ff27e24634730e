import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'

/** Listens, then never accepts: its thread sleeps for good. */
const LISTENER = `
  const { createServer } = require('node:net')
  const { parentPort } = require('node:worker_threads')
  const server = createServer()
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port)
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
  })
`
/** Connects until one stays unanswered: the kernel rounds the backlog up. */
const MAX_FILLERS = 64
const SILENCE_MS = 300

export interface BlackHole extends AsyncDisposable {
  readonly port: number
}

/** A loopback port whose connections are never completed: its backlog is full. */
export async function startBlackHole(): Promise<BlackHole> {
  const worker = new Worker(LISTENER, { eval: true })
  const port = await new Promise<number>((resolve) => worker.once('message', resolve))
  const fillers: Socket[] = []
  for (let i = 0; i < MAX_FILLERS; i++) {
    const socket = connect(port, '127.0.0.1')
    fillers.push(socket)
    if (!(await connectsSoon(socket))) break
  }
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of fillers) socket.destroy()
      await worker.terminate()
    },
  }
}

function connectsSoon(socket: Socket): Promise<boolean> {
  socket.on('error', () => {})
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), SILENCE_MS)
    socket.once('connect', () => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}
