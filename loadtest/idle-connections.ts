import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, createSecureContext, TLSSocket } from 'node:tls'
import { Authority } from '../certs/authority.ts'
import { freePort, stopChild } from './proxies/proxy.ts'

/**
 * Memory of idle connections: a gateway of its own, N keep-alive connections that each made one
 * request, and what the resident set grew by between a quarter of them and all. (The first ones fit
 * into a heap that is there already.) Addresses of 127.0.0.0/8 stand for different clients, as one
 * address may hold 1,000 connections.
 *
 *   node loadtest/idle-connections.ts [--plain N] [--tls N] [--h2 N]
 */
const HOST = 'idle.test'
const PER_ADDRESS = 500
/** Connections being opened at a time. */
const OPENING = 200
const FIRST_PART = 0.25
const SETTLE_MS = 4000
const RSS_POLL_MS = 500
/** Resident kilobytes for one idle connection. */
const GOALS = { plain: 25, tls: 60, h2: 60 } as const

/** The client preface, empty SETTINGS and the acknowledgement of the server's. */
const H2_HELLO = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
  Buffer.from([0, 0, 0, 4, 1, 0, 0, 0, 0]),
])

type Kind = keyof typeof GOALS

interface Row {
  readonly kind: Kind
  readonly connections: number
  readonly firstMiB: number
  readonly allMiB: number
  readonly perConnectionKiB: number
}

const args = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'tidegate-idle-'))
const authority = Authority.create('idle connections')
const rows: Row[] = []
try {
  rows.push(await measure('plain', numberFlag('--plain', 10_000)))
  rows.push(await measure('tls', numberFlag('--tls', 4_000)))
  rows.push(await measure('h2', numberFlag('--h2', 1_000)))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
report(rows.filter(({ connections }) => connections > 0))

function numberFlag(name: string, fallback: number): number {
  const at = args.indexOf(name)
  const value = at < 0 ? fallback : Number(args[at + 1])
  if (!Number.isInteger(value) || value < 0) throw new Error(`${name} takes a whole number from 0`)
  return value
}

/** Opens the connections against a fresh gateway and reads its resident set on the way. */
async function measure(kind: Kind, count: number): Promise<Row> {
  if (count === 0) return { kind, connections: 0, firstMiB: 0, allMiB: 0, perConnectionKiB: 0 }
  const [plainPort, tlsPort] = [await freePort(), await freePort()]
  const gateway = await startGateway(plainPort, tlsPort)
  const sockets: Socket[] = []
  try {
    const open = opener(kind, kind === 'plain' ? plainPort : tlsPort)
    const firstPart = Math.floor(count * FIRST_PART)
    await openMany(firstPart, open, sockets)
    const first = await settledRss(gateway.pid!)
    await openMany(count - firstPart, open, sockets)
    const all = await settledRss(gateway.pid!)
    const alive = sockets.filter((socket) => !socket.destroyed).length
    if (alive < count) throw new Error(`${count - alive} of ${count} connections were closed`)
    return {
      kind,
      connections: count,
      firstMiB: first / 1024,
      allMiB: all / 1024,
      perConnectionKiB: (all - first) / (count - firstPart),
    }
  } finally {
    for (const socket of sockets) socket.removeAllListeners('close').destroy()
    await stopChild(gateway)
  }
}

async function startGateway(plainPort: number, tlsPort: number): Promise<ChildProcess> {
  const file = join(folder, 'idle.yaml')
  writeFileSync(file, configuration())
  const command = join(import.meta.dirname, '..', 'bin', 'tidegate')
  const bind = (from: number, to: number): string[] => ['--listen', `${from}=127.0.0.1:${to}`]
  const ports = [...bind(80, plainPort), ...bind(443, tlsPort)]
  const off = ['--admin', 'off', '--status', 'off', '--log-level', 'info', '--log-format', 'json']
  const child = spawn(command, ['run', '-c', file, ...ports, ...off], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  child.stderr.setEncoding('utf8')
  for await (const [line] of lines(child)) {
    if (line.includes('"msg":"ready"')) return child
  }
  throw new Error('the gateway did not become ready')
}

async function* lines(child: ChildProcess): AsyncGenerator<[string]> {
  let rest = ''
  while (child.exitCode === null) {
    const [chunk] = (await once(child.stderr!, 'data')) as [string]
    const parts = (rest + chunk).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) yield [part]
  }
}

type Open = (localAddress: string) => Socket

function opener(kind: Kind, port: number): Open {
  if (kind === 'plain') return (localAddress) => connect({ port, host: '127.0.0.1', localAddress })
  const secureContext = createSecureContext({ ca: authority.certificate })
  const ALPNProtocols = [kind === 'h2' ? 'h2' : 'http/1.1']
  return (localAddress) =>
    connectTls({
      socket: connect({ port, host: '127.0.0.1', localAddress }),
      servername: HOST,
      secureContext,
      ALPNProtocols,
    })
}

async function openMany(count: number, open: Open, opened: Socket[]): Promise<void> {
  const target = opened.length + count
  for (let from = opened.length; from < target; from += OPENING) {
    const size = Math.min(OPENING, target - from)
    const batch = Array.from({ length: size }, (_, at) => {
      const block = Math.floor((from + at) / PER_ADDRESS)
      return open(`127.0.${1 + (block >> 8)}.${1 + (block & 255)}`)
    })
    opened.push(...batch)
    await Promise.all(batch.map(firstAnswer))
  }
}

/** One request, or for HTTP/2 the preface and an acknowledged SETTINGS frame. */
function firstAnswer(socket: Socket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('closed before the answer')))
  socket.once('data', () => resolve())
  socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () => {
    if (socket instanceof TLSSocket && socket.alpnProtocol === 'h2') socket.write(H2_HELLO)
    else
      socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}\r\nUser-Agent: idle/1.0\r\nAccept: */*\r\n\r\n`)
  })
  return promise
}

/** Resident kilobytes once they stopped falling. */
async function settledRss(pid: number): Promise<number> {
  const until = performance.now() + SETTLE_MS
  let lowest = rssKiB(pid)
  while (performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, RSS_POLL_MS))
    lowest = Math.min(lowest, rssKiB(pid))
  }
  return lowest
}

function rssKiB(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  return Number(match![1])
}

function report(measured: readonly Row[]): void {
  console.log('| connections | count | first quarter MiB | all MiB | KiB each | goal KiB |')
  console.log('| --- | ---: | ---: | ---: | ---: | ---: |')
  for (const { kind, connections, firstMiB, allMiB, perConnectionKiB } of measured) {
    const figures = [connections, firstMiB.toFixed(0), allMiB.toFixed(0)]
    console.log(
      `| ${kind} | ${figures.join(' | ')} | ${perConnectionKiB.toFixed(1)} | ${GOALS[kind]} |`,
    )
  }
}

/** Answers with a redirect: no upstream connections count. */
function configuration(): string {
  const leaf = authority.issue([HOST])
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    accessLogFile: ""
    defaultConfig:
      connectionSettings:
        httpIdleTimeout: 3600s
        globalDownstreamConnectionLimit: 50000
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: idle, namespace: istio-system }
spec:
  servers:
  - port: { number: 80, name: http, protocol: HTTP }
    hosts: ["${HOST}"]
  - port: { number: 443, name: https, protocol: HTTPS }
    hosts: ["${HOST}"]
    tls: { mode: SIMPLE, credentialName: idle-cert }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: idle, namespace: istio-system }
spec:
  hosts: ["${HOST}"]
  gateways: [idle]
  http:
  - redirect: { authority: elsewhere.test }
---
apiVersion: v1
kind: Secret
metadata: { name: idle-cert, namespace: istio-system }
type: kubernetes.io/tls
data:
  tls.crt: ${base64(leaf.certificate)}
  tls.key: ${base64(leaf.key)}
`
}
