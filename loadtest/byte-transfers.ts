import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cpuTimeOf } from './process-cpu.ts'
import { freePort, installed, type RunningProxy, startPinned } from './proxies/proxy.ts'

/** The core that proxies are pinned to. */
export const CORE = 0
const CONCURRENCY = 16
const SMALL_BYTES = 64 * 1024
const GIGABYTE = 1_000_000_000
/** Before a measurement: code that is compiled while it runs is in its final shape by then. */
const WARM_UP_TRANSFERS = 10_000
const CHUNK = Buffer.alloc(256 * 1024, 'x')
const READ_BUFFER_BYTES = 256 * 1024
const LENGTH_BYTES = 8
const HEAD_END = '\r\n\r\n'
/** What clients read is thrown away. */
const readBuffer = Buffer.alloc(READ_BUFFER_BYTES)

interface Load {
  readonly name: string
  readonly transfers: number
  readonly bytes: number
  readonly concurrency: number
}

interface Row {
  readonly proxy: string
  readonly load: string
  readonly gigabytes: number
  readonly cpuMs: number
  readonly wallMs: number
}

/** A proxy that passes bytes on. */
export interface Candidate {
  readonly name: string
  /** What a client sends first to get through; '' for a proxy that takes bytes as they are. */
  readonly preamble: string
  start(backendPort: number, folder: string): Promise<RunningProxy>
}

/**
 * Measures proxies by turns, in one run: many transfers of 64 kB (a connection each) and one of a
 * gigabyte. Flags: --rounds N, --small N, --large BYTES. Prints CPU time per gigabyte and throughput.
 */
export async function compareTransfers(own: Candidate): Promise<void> {
  const rounds = numberFlag('--rounds', 3)
  const loads: readonly Load[] = [
    {
      name: '64 kB',
      transfers: numberFlag('--small', 10_000),
      bytes: SMALL_BYTES,
      concurrency: CONCURRENCY,
    },
    { name: '1 GB', transfers: 1, bytes: numberFlag('--large', GIGABYTE), concurrency: 1 },
  ]
  const candidates = installed('haproxy') ? [own, haproxy()] : [own]
  if (candidates.length === 1) {
    console.log('haproxy is not installed (Debian: apt-get install haproxy)')
  }
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-transfers-'))
  const backend = await startBackend()
  const { port } = backend.address() as AddressInfo
  const rows: Row[] = []
  try {
    for (const { name } of candidates) mkdirSync(join(folder, name))
    for (let round = 0; round < rounds; round++) {
      for (const candidate of candidates) {
        const proxy = await candidate.start(port, join(folder, candidate.name))
        rows.push(...(await measure(candidate, proxy, loads)))
      }
    }
  } finally {
    backend.close()
    rmSync(folder, { recursive: true, force: true })
  }
  report(rows)
}

function numberFlag(name: string, fallback: number): number {
  const at = process.argv.indexOf(name)
  const value = at < 0 ? fallback : Number(process.argv[at + 1])
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name} takes a whole number from 1`)
  return value
}

/** Sends as many bytes as it is asked for, then ends. */
async function startBackend(): Promise<Server> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (asked: Buffer) => send(socket, Number(asked.readBigUInt64BE(0))))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

function send(socket: Socket, bytes: number): void {
  let left = bytes
  const pump = (): void => {
    while (left > 0) {
      const chunk = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK
      left -= chunk.length
      if (!socket.write(chunk)) {
        socket.once('drain', pump)
        return
      }
    }
    socket.end()
  }
  pump()
}

async function measure(
  { name, preamble }: Candidate,
  proxy: RunningProxy,
  loads: readonly Load[],
): Promise<readonly Row[]> {
  const measured: Row[] = []
  try {
    await transferAll(proxy.port, preamble, { ...loads[0]!, transfers: WARM_UP_TRANSFERS })
    for (const load of loads) {
      const before = cpuTimeOf(proxy.pid)
      const startedMs = performance.now()
      await transferAll(proxy.port, preamble, load)
      const after = cpuTimeOf(proxy.pid)
      measured.push({
        proxy: name,
        load: load.name,
        gigabytes: (load.transfers * load.bytes) / GIGABYTE,
        cpuMs: after.userMs + after.systemMs - before.userMs - before.systemMs,
        wallMs: performance.now() - startedMs,
      })
    }
  } finally {
    await proxy.stop()
  }
  return measured
}

async function transferAll(port: number, preamble: string, load: Load): Promise<void> {
  let begun = 0
  const worker = async (): Promise<void> => {
    while (begun++ < load.transfers) await transfer(port, preamble, load.bytes)
  }
  await Promise.all(Array.from({ length: load.concurrency }, worker))
}

/** Asks for so many bytes; behind a preamble the answer to it is not counted. */
function transfer(port: number, preamble: string, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0
    let head = preamble === '' ? null : ''
    const socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (length) => {
          received += length
          if (head === null) return true
          head += readBuffer.toString('latin1', 0, length)
          const end = head.indexOf(HEAD_END)
          if (end === -1) return true
          if (!head.startsWith('HTTP/1.1 200 ')) reject(new Error(head))
          received -= end + HEAD_END.length
          head = null
          return true
        },
      },
    })
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeBigUInt64BE(BigInt(bytes))
    socket.write(Buffer.concat([Buffer.from(preamble, 'latin1'), length]))
    socket.on('error', reject)
    socket.once('close', () => {
      if (received === bytes) resolve()
      else reject(new Error(`${received} bytes of ${bytes} came`))
    })
  })
}

function haproxy(): Candidate {
  return {
    name: 'haproxy',
    preamble: '',
    async start(port, config) {
      const own = await freePort()
      const file = join(config, 'haproxy.cfg')
      writeFileSync(
        file,
        `global
  maxconn 4096
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend splice
  bind 127.0.0.1:${own}
  default_backend backend
backend backend
  server one 127.0.0.1:${port}
`,
      )
      return startPinned(CORE, 'haproxy', ['-q', '-db', '-f', file], own)
    },
  }
}

function report(rows: readonly Row[]): void {
  console.log('proxy      transfers   CPU s/GB   MB/s')
  for (const { proxy, load, gigabytes, cpuMs, wallMs } of rows) {
    const cpu = (cpuMs / 1000 / gigabytes).toFixed(3)
    const rate = ((gigabytes * 1_000_000) / wallMs).toFixed(0)
    console.log(`${proxy.padEnd(11)}${load.padEnd(12)}${cpu.padEnd(11)}${rate}`)
  }
}
