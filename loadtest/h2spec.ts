import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Authority } from '../certs/authority.ts'
import { startGateway } from '../test/support/gateway.ts'
import { startUpstream } from '../test/support/upstream.ts'
import { gateway, service, virtualService } from '../test/support/yaml.ts'
import { installed } from './proxies/proxy.ts'

/**
 * h2spec against the gateway's HTTP/2, in TLS (by ALPN) and in clear text (by prior knowledge), and
 * against a bare node:http2 server as the control: a case that fails there too is not ours to pass.
 * Ends with 1 when the gateway fails a case that the control passes and EXPLAINED does not name.
 *
 *   go install github.com/summerwind/h2spec/cmd/h2spec@latest
 *   node loadtest/h2spec.ts [--h2spec PATH]
 */
const { values } = parseArgs({ options: { h2spec: { type: 'string' } } })

/** Cases that the gateway may fail although node:http2 alone passes, and why that is right. */
const EXPLAINED: ReadonlyMap<string, string> = new Map([
  [
    'http2/3.5 Sends invalid connection preface',
    'a plain port speaks HTTP/1.1 as well: it answers 400 and closes',
  ],
  [
    'http2/6.1 Sends a DATA frame on the stream that is not in "open" or "half-closed (local)" state',
    'passes or fails by chance: the answer may have closed the stream before the frame comes',
  ],
])
const ANSWER = 'hello '.repeat(20)
const CASE_TIMEOUT_SECONDS = 2

interface Target {
  readonly name: string
  readonly port: number
  readonly tls: boolean
}

/** Cases by name; the text of a failed one, null for a passed one. */
type Results = ReadonlyMap<string, string | null>

const command = findCommand()
const folder = mkdtempSync(join(tmpdir(), 'tidegate-h2spec-'))
const pair = Authority.create('h2spec').issue(['h2spec.test'])
try {
  await using upstream = await startUpstream(ANSWER)
  await using tested = await startGateway(configuration(upstream.port), { ports: [80, 443] })
  await using control = await startControl()
  let unexplained = 0
  for (const tls of [true, false]) {
    const wire = tls ? 'TLS' : 'clear text'
    const known = await run({ name: `node:http2, ${wire}`, port: control.port(tls), tls })
    const ours = { name: `tidegate, ${wire}`, port: tested.port(tls ? 443 : 80), tls }
    unexplained += report(ours, await run(ours), known)
  }
  process.exitCode = unexplained === 0 ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function findCommand(): string {
  const go = process.env['GOPATH'] ?? join(homedir(), 'go')
  const found = values.h2spec ?? (installed('h2spec') ? 'h2spec' : join(go, 'bin', 'h2spec'))
  if (found === 'h2spec' || existsSync(found)) return found
  console.error(`no ${found}: go install github.com/summerwind/h2spec/cmd/h2spec@latest`)
  process.exit(1)
}

async function run({ name, port, tls }: Target): Promise<Results> {
  const file = join(folder, 'report.xml')
  const args = ['-h', '127.0.0.1', '-p', String(port), '-o', String(CASE_TIMEOUT_SECONDS)]
  const child = spawn(
    command,
    [...args, '--strict', '-j', file, ...(tls ? ['--tls', '--insecure'] : [])],
    { stdio: 'ignore' },
  )
  await new Promise((resolve) => child.once('exit', resolve))
  const results = readReport(readFileSync(file, 'utf8'))
  const failed = [...results.values()].filter((text) => text !== null).length
  console.log(`${name}: ${results.size - failed} of ${results.size} passed`)
  return results
}

function readReport(xml: string): Results {
  const results = new Map<string, string | null>()
  const pattern = /<testcase package="([^"]*)" classname="([^"]*)"[^>]*>([^]*?)<\/testcase>/g
  for (const [, section = '', title = '', inside = ''] of xml.matchAll(pattern)) {
    const failure = /<(failure|error)>([^]*?)<\//.exec(inside)
    const name = `${section} ${title}`.replaceAll('&#34;', '"')
    results.set(name, failure === null ? null : failure[2]!.trim())
  }
  return results
}

/** Prints the failed cases; returns how many nothing explains. */
function report(target: Target, ours: Results, control: Results): number {
  let unexplained = 0
  for (const [name, failure] of ours) {
    if (failure === null) continue
    const explained = EXPLAINED.get(name)
    const reason = (control.get(name) ?? null) !== null ? 'as node:http2 alone' : explained
    if (reason === undefined) unexplained++
    console.log(`- ${name}: ${reason ?? `OURS, ${target.name}: ${failure}`}`)
  }
  return unexplained
}

interface Control extends AsyncDisposable {
  port(tls: boolean): number
}

async function startControl(): Promise<Control> {
  const secure = createSecureServer({ cert: pair.certificate, key: pair.key })
  const plain = createServer()
  for (const server of [secure, plain]) {
    server.on('stream', answer)
    server.on('sessionError', () => {})
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  }
  const portOf = (server: Http2Server | Http2SecureServer): number =>
    (server.address() as AddressInfo).port
  return {
    port: (tls) => portOf(tls ? secure : plain),
    async [Symbol.asyncDispose]() {
      secure.close()
      plain.close()
      await Promise.resolve()
    },
  }
}

/** As the gateway with its upstream: once the request is complete. */
function answer(stream: ServerHttp2Stream): void {
  stream.on('error', () => {})
  stream.resume()
  stream.on('end', () => {
    if (stream.destroyed || stream.closed) return
    stream.respond({ ':status': 200 })
    stream.end(ANSWER)
  })
}

/** Any host: h2spec asks for the address it connects to. */
function configuration(upstreamPort: number): string {
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  return `${service('app', upstreamPort)}${gateway('plain', ['*'])}apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: secure }
spec:
  servers:
  - port: { number: 443, name: https, protocol: HTTPS }
    hosts: ["*"]
    tls: { mode: SIMPLE, credentialName: h2spec }
---
apiVersion: v1
kind: Secret
metadata: { name: h2spec, namespace: istio-system }
type: kubernetes.io/tls
data:
  tls.crt: ${base64(pair.certificate)}
  tls.key: ${base64(pair.key)}
---
${virtualService('app', ['*'], ['plain', 'secure'], '  - { route: [{ destination: { host: app } }] }')}`
}
