import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Authority } from '../certs/authority.ts'
import { startGateway } from '../test/support/gateway.ts'
import { startUpstream } from '../test/support/upstream.ts'
import { gateway, service, virtualService } from '../test/support/yaml.ts'
import { installed } from './proxies/proxy.ts'

/**
 * Clients that people use, against the gateway over HTTP/1.1, HTTP/2 and TLS. Ends with 1 when one of
 * them is not served as it should be, or is not installed.
 *
 *   apt-get install curl nghttp2-client wrk
 *   node loadtest/real-clients.ts
 */
const HOST = 'localhost'
const ANSWER = 'hello world'
const UPLOAD_BYTES = 3_000_000
const TIMEOUT_MS = 20_000
const run = promisify(execFile)

const folder = mkdtempSync(join(tmpdir(), 'tidegate-clients-'))
const authority = Authority.create('real clients')
const caFile = join(folder, 'ca.pem')
const uploadFile = join(folder, 'upload')
writeFileSync(caFile, authority.certificate)
writeFileSync(uploadFile, Buffer.alloc(UPLOAD_BYTES, 97))
/** Left out where a call is named. */
const COMMON = new Set([
  '--silent',
  '--show-error',
  '--ipv4',
  '--cacert',
  caFile,
  '--write-out',
  ' %{http_version} %{http_code}',
  uploadFile,
])
let failures = 0
try {
  await using upstream = await startUpstream((incoming, response) => {
    let bytes = 0
    incoming.on('data', (chunk: Buffer) => (bytes += chunk.length))
    incoming.on('end', () => response.end(bytes === 0 ? ANSWER : `${bytes} bytes`))
  })
  await using tested = await startGateway(configuration(upstream.port), { ports: [80, 443] })
  const plain = `http://${HOST}:${tested.port(80)}`
  const secure = `https://${HOST}:${tested.port(443)}`

  const curl = ['--silent', '--show-error', '--ipv4', '--cacert', caFile]
  const version = ['--write-out', ' %{http_version} %{http_code}']
  const upload = [...curl, ...version, '--header', 'Expect: 100-continue', '-T', uploadFile]
  await check('curl', [...curl, ...version, plain], `${ANSWER} 1.1 200`)
  // As Envoy: HTTP/1.0 is told to upgrade unless the configuration accepts it.
  await check('curl', [...curl, ...version, '--http1.0', plain], ' 1.1 426')
  await check('curl', [...curl, ...version, '--http1.1', secure], `${ANSWER} 1.1 200`)
  await check('curl', [...curl, ...version, '--http2', secure], `${ANSWER} 2 200`)
  await check('curl', [...curl, ...version, '--http2-prior-knowledge', plain], `${ANSWER} 2 200`)
  await check('curl', [...curl, ...version, '--http2', plain], `${ANSWER} 1.1 200`)
  await check('curl', [...curl, '--head', plain], 'HTTP/1.1 200')
  await check('curl', [...upload, plain], `${UPLOAD_BYTES} bytes 1.1 200`)
  await check('curl', [...upload, '--http2', secure], `${UPLOAD_BYTES} bytes 2 200`)
  await check('nghttp', ['--no-verify-peer', secure], ANSWER)
  await check('nghttp', [plain], ANSWER)
  await check('h2load', ['-n2000', '-c10', '-m20', secure], '2000 succeeded, 0 failed')
  await check('h2load', ['-n2000', '-c10', '-m20', plain], '2000 succeeded, 0 failed')
  await check('h2load', ['--h1', '-n2000', '-c10', plain], '2000 succeeded, 0 failed')
  await check('wrk', ['-t1', '-c10', '-d1s', plain], 'Requests/sec', /Non-2xx|Socket errors/)
  await check('wrk', ['-t1', '-c10', '-d1s', secure], 'Requests/sec', /Non-2xx|Socket errors/)

  const fetched = await fetch(plain)
  tell('node fetch', (await fetched.text()) === ANSWER && fetched.status === 200, '')
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = failures === 0 ? 0 : 1

/** The client ends with 0, prints `expected`, and nothing that matches `refused`. */
async function check(
  command: string,
  args: readonly string[],
  expected: string,
  refused: RegExp | null = null,
): Promise<void> {
  const name = `${command} ${args.filter((arg) => !COMMON.has(arg)).join(' ')}`
  if (!installed(command)) {
    tell(name, false, 'it is not installed')
    return
  }
  try {
    const { stdout } = await run(command, args, { timeout: TIMEOUT_MS })
    tell(name, stdout.includes(expected) && refused?.test(stdout) !== true, stdout)
  } catch (error) {
    tell(name, false, error instanceof Error ? error.message : String(error))
  }
}

function tell(name: string, good: boolean, output: string): void {
  if (!good) failures++
  console.log(good ? `ok      ${name}` : `FAILED  ${name}\n${output}`)
}

function configuration(port: number): string {
  const { certificate, key } = authority.issue([HOST])
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const route = '  - { route: [{ destination: { host: app } }] }'
  return `apiVersion: v1
kind: Secret
metadata: { name: clients, namespace: istio-system }
type: kubernetes.io/tls
data:
  tls.crt: ${base64(certificate)}
  tls.key: ${base64(key)}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: secure }
spec:
  servers:
  - port: { number: 443, name: https, protocol: HTTPS }
    hosts: ['*']
    tls: { mode: SIMPLE, credentialName: clients }
---
${service('app', port)}${gateway('plain', ['*'])}${virtualService('app', ['*'], ['plain', 'secure'], route)}`
}
