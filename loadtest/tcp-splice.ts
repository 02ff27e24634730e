import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cpuTimeOf } from './process-cpu.ts'
import { freePort, installed, type RunningProxy, startPinned } from './proxies/proxy.ts'

/**
 * CPU time of a TCP proxy per gigabyte: many transfers of 64 kB (a connection each) and one of a
 * gigabyte, against HAProxy in TCP mode in the same run, by turns. The proxy has a core of its own;
 * backend and clients share this process.
 *
 *   node loadtest/tcp-splice.ts [--rounds N] [--small N] [--large BYTES]
 */
const CORE = 0
const CONCURRENCY = 16
const SMALL_BYTES = 64 * 1024
const GIGABYTE = 1_000_000_000
const CHUNK = Buffer.alloc(256 * 1024, 'x')
const READ_BUFFER_BYTES = 256 * 1024
const LENGTH_BYTES = 8
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

interface Candidate {
  readonly name: string
  start(backendPort: number, folder: string): Promise<RunningProxy>
}

const args = process.argv.slice(2)
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
const folder = mkdtempSync(join(tmpdir(), 'tidegate-splice-'))
const backend = await startBackend()
const { port: backendPort } = backend.address() as AddressInfo
const rows: Row[] = []
try {
  const candidates: readonly Candidate[] = installed('haproxy')
    ? [tidegate(), haproxy()]
    : [tidegate()]
  if (candidates.length === 1)
    console.log('haproxy is not installed (Debian: apt-get install haproxy)')
  for (const candidate of candidates) mkdirSync(join(folder, candidate.name))
  for (let round = 0; round < rounds; round++) {
    for (const candidate of candidates) rows.push(...(await measure(candidate)))
  }
} finally {
  backend.close()
  rmSync(folder, { recursive: true, force: true })
}
report()

function numberFlag(name: string, fallback: number): number {
  const at = args.indexOf(name)
  const value = at < 0 ? fallback : Number(args[at + 1])
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

async function measure(candidate: Candidate): Promise<readonly Row[]> {
  const proxy = await candidate.start(backendPort, join(folder, candidate.name))
  const measured: Row[] = []
  try {
    await transferAll(proxy.port, { ...loads[0]!, transfers: 500 })
    for (const load of loads) {
      const before = cpuTimeOf(proxy.pid)
      const startedMs = performance.now()
      await transferAll(proxy.port, load)
      const after = cpuTimeOf(proxy.pid)
      measured.push({
        proxy: candidate.name,
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

async function transferAll(port: number, load: Load): Promise<void> {
  let begun = 0
  const worker = async (): Promise<void> => {
    while (begun++ < load.transfers) await transfer(port, load.bytes)
  }
  await Promise.all(Array.from({ length: load.concurrency }, worker))
}

function transfer(port: number, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0
    const socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (length) => {
          received += length
          return true
        },
      },
    })
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeBigUInt64BE(BigInt(bytes))
    socket.write(length)
    socket.on('error', reject)
    socket.once('close', () => {
      if (received === bytes) resolve()
      else reject(new Error(`${received} bytes of ${bytes} came`))
    })
  })
}

function tidegate(): Candidate {
  return {
    name: 'tidegate',
    async start(port, config) {
      writeFileSync(join(config, 'splice.yaml'), configuration(port))
      const own = await freePort()
      const command = join(import.meta.dirname, '..', 'bin', 'tidegate')
      const listen = `9000=127.0.0.1:${own}`
      const quiet = ['--admin', 'off', '--status', 'off', '--log-level', 'error']
      return startPinned(CORE, command, ['run', '-c', config, '--listen', listen, ...quiet], own)
    },
  }
}

function haproxy(): Candidate {
  return {
    name: 'haproxy',
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

function configuration(port: number): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: 'accessLogFile: ""' }
---
apiVersion: v1
kind: Service
metadata: { name: backend }
spec: { ports: [{ name: tcp, port: 9000 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: backend-1, labels: { kubernetes.io/service-name: backend } }
addressType: IPv4
ports: [{ name: tcp, port: ${port} }]
endpoints: [{ addresses: [127.0.0.1] }]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: splice }
spec:
  servers: [{ port: { number: 9000, name: tcp, protocol: TCP }, hosts: ["*"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: splice }
spec:
  hosts: ["*"]
  gateways: [splice]
  tcp: [{ route: [{ destination: { host: backend } }] }]
`
}

function report(): void {
  console.log('proxy      transfers   CPU s/GB   MB/s')
  for (const { proxy, load, gigabytes, cpuMs, wallMs } of rows) {
    const cpu = (cpuMs / 1000 / gigabytes).toFixed(3)
    const rate = ((gigabytes * 1_000_000) / wallMs).toFixed(0)
    console.log(`${proxy.padEnd(11)}${load.padEnd(12)}${cpu.padEnd(11)}${rate}`)
  }
}
