import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { type ClientHttp2Session, connect as connectH2 } from 'node:http2'
import { Agent, request } from 'node:https'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { Authority, type CertificatePair } from '../certs/authority.ts'
import { freePort, stopChild } from './proxies/proxy.ts'

/**
 * Certificates that change all the time: a gateway of its own, a Secret rewritten and reloaded every
 * 100 ms, requests of both protocols over connections that stay and over new ones. No request may
 * fail, no kept connection may close, and the first handshake after a reload (one offering HTTP/1.1,
 * one HTTP/2) must be shown the new certificate. Writes results/<date>-tls-rotation.md; exits 1 when
 * something failed.
 *
 *   node loadtest/tls-rotation.ts [--seconds 20] [--every 100]
 */
const HOST = 'rotation.test'
const PAIRS = 4
const KEPT_H1 = 16
const KEPT_H2 = 4
const STREAMS = 4
const FRESH_EACH = 2
const FAILURES_SHOWN = 10
const READY_TIMEOUT_MS = 15_000

const seconds = numberFlag('--seconds', 20)
const everyMs = numberFlag('--every', 100)
const authority = Authority.create('certificate rotation')
const ca = authority.certificate
const pairs = Array.from({ length: PAIRS }, () => authority.issueEcdsa([HOST]))
const folder = mkdtempSync(join(tmpdir(), 'tidegate-rotation-'))
const tlsPort = await freePort()
const adminPort = await freePort()

const CONFIGURATION = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: rotating, namespace: istio-system }
spec:
  servers:
  - port: { number: 443, name: https, protocol: HTTPS }
    hosts: ["${HOST}"]
    tls: { mode: SIMPLE, credentialName: rotating }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: rotating, namespace: istio-system }
spec:
  hosts: ["${HOST}"]
  gateways: [rotating]
  http:
  - directResponse: { status: 200, body: { string: served } }
`

/** Kept connections whose end is listened for. */
const toldSockets = new WeakSet<object>()

/** One way of asking, and what came of it. */
class Tally {
  readonly name: string
  readonly failures: string[] = []
  requests = 0
  slowestMs = 0

  constructor(name: string) {
    this.name = name
  }

  async loop(ask: () => Promise<number>): Promise<void> {
    while (!done()) {
      const began = performance.now()
      const failure = await ask().then(
        (status) => (status === 200 ? null : `status ${status}`),
        (error: unknown) => String(error),
      )
      this.requests++
      this.slowestMs = Math.max(this.slowestMs, performance.now() - began)
      if (failure !== null) this.failures.push(`${failure} after ${this.requests} requests`)
    }
  }
}

let until = Infinity
const done = (): boolean => performance.now() >= until

const tallies: Tally[] = []
const handshakes: { shownOld: number; count: number; reloadMs: number[] } = {
  shownOld: 0,
  count: 0,
  reloadMs: [],
}
const closings: string[] = []

writeSecret(pairs[0]!)
const gateway = await startGateway()
try {
  until = performance.now() + seconds * 1000
  const loops = load()
  await rotate()
  await Promise.all(loops)
} finally {
  await stopChild(gateway)
  rmSync(folder, { recursive: true, force: true })
}
const failed = tallies.flatMap(({ name, failures }) => failures.map((text) => `${name}: ${text}`))
for (const text of failed.slice(0, FAILURES_SHOWN)) console.error(text)
const date = new Date().toISOString().slice(0, 10)
const report = reportText()
writeFileSync(join(import.meta.dirname, 'results', `${date}-tls-rotation.md`), report)
console.log(report)
if (failed.length > 0 || handshakes.shownOld > 0 || closings.length > 0) process.exitCode = 1

function numberFlag(name: string, fallback: number): number {
  const at = process.argv.indexOf(name)
  const value = at < 0 ? fallback : Number(process.argv[at + 1])
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name} takes a whole number from 1`)
  return value
}

function load(): Promise<void>[] {
  const agents: Agent[] = []
  const sessions: ClientHttp2Session[] = []
  const loops: Promise<void>[] = []
  const start = (name: string, count: number, ask: (index: number) => () => Promise<number>) => {
    const tally = new Tally(name)
    tallies.push(tally)
    for (let index = 0; index < count; index++) loops.push(tally.loop(ask(index)))
  }
  start('HTTP/1.1, kept connections', KEPT_H1, () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca, servername: HOST })
    agents.push(agent)
    return () => overH1(agent)
  })
  start('HTTP/1.1, a connection for each request', FRESH_EACH, () => async () => {
    // Without a cache of sessions: every handshake is a whole one.
    const agent = new Agent({ keepAlive: false, maxCachedSessions: 0, ca, servername: HOST })
    return overH1(agent)
  })
  start('HTTP/2, kept connections', KEPT_H2 * STREAMS, (index) => {
    if (index % STREAMS === 0) sessions.push(h2Session(`HTTP/2 connection ${sessions.length}`))
    const session = sessions[sessions.length - 1]!
    return () => overH2(session)
  })
  start('HTTP/2, a connection for each request', FRESH_EACH, () => async () => {
    const session = h2Session(null)
    return overH2(session).finally(() => session.destroy())
  })
  return [
    ...loops,
    Promise.all(loops).then(() => {
      for (const session of sessions) session.removeAllListeners('close').destroy()
      for (const agent of agents) agent.destroy()
    }),
  ]
}

function overH1(agent: Agent): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const asked = request({ agent, host: '127.0.0.1', port: tlsPort, headers: { host: HOST } })
  asked.once('error', reject)
  asked.once('response', (answer) => {
    answer.resume()
    answer.once('end', () => resolve(answer.statusCode ?? 0))
    answer.once('error', reject)
  })
  asked.once('socket', (socket) => {
    if (agent.maxSockets !== 1 || toldSockets.has(socket)) return
    toldSockets.add(socket)
    socket.once('close', () => {
      if (!done()) closings.push('an HTTP/1.1 connection')
    })
  })
  asked.end()
  return promise
}

function h2Session(name: string | null): ClientHttp2Session {
  const session = connectH2(`https://127.0.0.1:${tlsPort}`, { ca, servername: HOST })
  session.on('error', () => undefined)
  if (name !== null) {
    session.once('close', () => {
      if (!done()) closings.push(name)
    })
  }
  return session
}

function overH2(session: ClientHttp2Session): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const stream = session.request({ ':authority': HOST, ':path': '/' })
  let status = 0
  stream.once('response', (headers) => (status = headers[':status'] ?? 0))
  stream.once('error', reject)
  stream.once('close', () => resolve(status))
  stream.resume()
  return promise
}

async function rotate(): Promise<void> {
  for (let turn = 1; !done(); turn++) {
    const next = performance.now() + everyMs
    const pair = pairs[turn % PAIRS]!
    writeSecret(pair)
    const began = performance.now()
    await reload()
    handshakes.reloadMs.push(performance.now() - began)
    const wanted = await Promise.all([shown('http/1.1'), shown('h2')])
    for (const certificate of wanted) {
      handshakes.count++
      if (certificate !== leafOf(pair)) handshakes.shownOld++
    }
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())))
  }
}

/** The certificate that a new connection is shown, in base64. */
async function shown(alpn: string): Promise<string> {
  const socket = connectTls({
    host: '127.0.0.1',
    port: tlsPort,
    servername: HOST,
    ca,
    ALPNProtocols: [alpn],
  })
  await once(socket, 'secureConnect')
  const { raw } = socket.getPeerCertificate()
  socket.destroy()
  return raw.toString('base64')
}

function leafOf({ certificate }: CertificatePair): string {
  const [, body = ''] = /-----BEGIN CERTIFICATE-----([^-]+)/.exec(certificate) ?? []
  return body.replaceAll(/\s/g, '')
}

async function reload(): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/reload`, { method: 'POST' })
  if (!answer.ok) throw new Error(`the reload failed: ${await answer.text()}`)
  await answer.arrayBuffer()
}

/** As Kubernetes and certbot do it: another file, then its name. */
function writeSecret({ certificate, key }: CertificatePair): void {
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'rotating', namespace: 'istio-system' },
    stringData: { 'tls.crt': certificate, 'tls.key': key },
  }
  writeFileSync(join(folder, 'secret.tmp'), JSON.stringify(secret))
  renameSync(join(folder, 'secret.tmp'), join(folder, 'secret.yaml'))
}

async function startGateway(): Promise<ChildProcess> {
  writeFileSync(join(folder, 'gateway.yaml'), CONFIGURATION)
  const command = join(import.meta.dirname, '..', 'bin', 'tidegate')
  const flags = [
    '--admin',
    `127.0.0.1:${adminPort}`,
    '--no-watch',
    '--status',
    'off',
    '--log-level',
    'warn',
  ]
  const child = spawn(
    command,
    ['run', '-c', folder, '--listen', `443=127.0.0.1:${tlsPort}`, ...flags],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const deadline = performance.now() + READY_TIMEOUT_MS
  while (performance.now() < deadline && child.exitCode === null) {
    const ready = await fetch(`http://127.0.0.1:${adminPort}/ready`).catch(() => null)
    await ready?.arrayBuffer()
    if (ready?.ok === true) return child
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await stopChild(child)
  throw new Error('the gateway did not become ready')
}

function reportText(): string {
  const node = process.version.slice(1).replace(/\.\d+$/, '')
  const rows = tallies.map(
    ({ name, requests, failures, slowestMs }) =>
      `| ${name} | ${requests} | ${failures.length} | ${slowestMs.toFixed(0)} |`,
  )
  const reloads = handshakes.reloadMs.toSorted((a, b) => a - b)
  const at = (share: number): string =>
    (reloads[Math.floor(reloads.length * share)] ?? 0).toFixed(0)
  return `# Certificates that change every ${everyMs} ms, ${date}

\`node loadtest/tls-rotation.ts\`, Node.js ${node}, Linux, ${cpus().length} cores, load average ${loadavg()[0]!.toFixed(1)}; the clients
have the same cores. One Secret with an ECDSA pair is replaced and reloaded for ${seconds} s; each new one is
followed by two handshakes, one that offers HTTP/1.1 and one that offers HTTP/2.

| requests over | requests | failed | slowest ms |
| --- | ---: | ---: | ---: |
${rows.join('\n')}

- ${reloads.length} rotations; from the call of \`/reload\` to its answer ${at(0.5)} ms (median), ${at(0.99)} ms (p99).
- ${handshakes.count} handshakes right after them, ${handshakes.shownOld} of which were shown an old certificate.
- Kept connections that were closed: ${closings.length} of ${KEPT_H1 + KEPT_H2}.
`
}
