import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { call } from '../test/support/call.ts'
import { startRedis } from '../test/support/redis.ts'
import { waitFor } from '../test/support/wait.ts'
import { fullLoad, type LoadResult } from './load.ts'
import { percentile } from './micro/figures.ts'
import { cpuTimeOf } from './process-cpu.ts'
import { installed, type ProxyKind, stopChild } from './proxies/proxy.ts'
import { rateLimitedKinds } from './proxies/rate-limited.ts'
import { startBackend } from './running-backend.ts'
import { SCENARIOS, writeTlsFiles } from './scenario.ts'

/**
 * What a limit in Redis costs a plain route: the gateway and @fastify/http-proxy, each with and
 * without a limit, on one core before the same backend and redis-server on the other. CPU time of the
 * proxy's process divided by the requests it answered; rounds are interleaved.
 *
 *   node loadtest/rate-limit-compare.ts [--rounds N] [--seconds N] [--connections N] [--no-file]
 */
const PROXY_CORE = 0
const LOAD_CORE = 1
const WARM_UP_SECONDS = 2
const SCENARIO = SCENARIOS[0]!

interface Sample extends LoadResult {
  readonly cpuUs: number
}

const args = process.argv.slice(2)
const rounds = numberFlag('--rounds', 3)
const seconds = numberFlag('--seconds', 5)
const connections = numberFlag('--connections', 64)

for (const tool of ['wrk', 'taskset', 'redis-server']) {
  if (installed(tool)) continue
  console.error(
    `the comparison needs ${tool} (Debian: apt-get install wrk util-linux redis-server)`,
  )
  process.exit(1)
}

const folder = mkdtempSync(join(tmpdir(), 'tidegate-limits-'))
try {
  // What this process starts shares its core, unless it is pinned elsewhere.
  spawnSync('taskset', ['-pc', String(LOAD_CORE), String(process.pid)])
  await using redis = await startRedis()
  const kinds = rateLimitedKinds(redis.url)
  const backend = await startBackend(SCENARIO, LOAD_CORE)
  try {
    report(kinds, await measureAll(kinds, backend.port))
  } finally {
    await stopChild(backend.child)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function numberFlag(name: string, fallback: number): number {
  const at = args.indexOf(name)
  const value = at < 0 ? fallback : Number(args[at + 1])
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name} takes a whole number from 1`)
  return value
}

async function measureAll(
  kinds: readonly ProxyKind[],
  backendPort: number,
): Promise<readonly (readonly Sample[])[]> {
  const samples: Sample[][] = kinds.map(() => [])
  const setup = {
    backendPort,
    folder,
    core: PROXY_CORE,
    scenario: SCENARIO,
    tls: writeTlsFiles(folder),
  }
  for (let round = 0; round < rounds; round++) {
    for (const [index, kind] of kinds.entries()) {
      const proxy = await kind.start(setup)
      try {
        samples[index]!.push(await measure(proxy.pid, proxy.port))
      } finally {
        await proxy.stop()
      }
    }
  }
  return samples
}

async function measure(pid: number, port: number): Promise<Sample> {
  const load = { scenario: SCENARIO, port, seconds, connections, core: LOAD_CORE }
  await waitFor('the first good answer', () => serves(port))
  await fullLoad({ ...load, seconds: WARM_UP_SECONDS })
  const before = cpuTimeOf(pid)
  const run = await fullLoad(load)
  const after = cpuTimeOf(pid)
  const cpuMs = after.userMs - before.userMs + after.systemMs - before.systemMs
  return { ...run, cpuUs: (cpuMs * 1000) / run.requests }
}

/** A limit that cannot be counted yet refuses. */
async function serves(port: number): Promise<boolean> {
  return (await call({ port, host: 'bench.test' })).status === 200
}

function report(kinds: readonly ProxyKind[], samples: readonly (readonly Sample[])[]): void {
  const of = (index: number, read: (sample: Sample) => number): number =>
    percentile(samples[index]!.map(read), 0.5)
  const rows = kinds.map(({ name }, index) => {
    const cpu = of(index, ({ cpuUs }) => cpuUs)
    // Kinds come in pairs: without and with a limit.
    const base = of(index - (index % 2), ({ cpuUs }) => cpuUs)
    const cells = [
      name,
      cpu.toFixed(1),
      (cpu / base).toFixed(2),
      of(index, ({ requestsPerSecond }) => requestsPerSecond).toFixed(0),
      of(index, ({ p99Ms }) => p99Ms).toFixed(2),
    ]
    return `| ${cells.join(' | ')} |`
  })
  const date = new Date().toISOString().slice(0, 10)
  const text = `# A limit in Redis on a plain route, ${date}

${connections} connections, ${rounds} interleaved rounds of ${seconds} s, medians; one core for the proxy, the other for load,
backend and redis-server; ${cpus()[0]?.model ?? 'unknown processor'}; Node.js ${process.versions.node}. CPU time is the proxy's alone.
Command: \`node loadtest/rate-limit-compare.ts\`. The goal: a limit costs the gateway at most 1.6 times
the route without, and less than @fastify/rate-limit costs.

| proxy | CPU us / request | times the same without limit | requests/s | p99 ms |
| --- | ---: | ---: | ---: | ---: |
${rows.join('\n')}
`
  console.log(text)
  if (args.includes('--no-file')) return
  writeFileSync(join(import.meta.dirname, 'results', `${date}-rate-limit-compare.md`), text)
}
