import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fullLoad } from './load.ts'
import { percentile } from './micro/figures.ts'
import { cpuTimeOf } from './process-cpu.ts'
import { type RunningProxy, stopChild } from './proxies/proxy.ts'
import { tidegateOf } from './proxies/tidegate.ts'
import { startBackend } from './running-backend.ts'
import { SCENARIOS, writeTlsFiles } from './scenario.ts'

/**
 * Has the gateway become slower? Two checkouts serve the same scenario at the same time and take
 * turns of a few seconds, so that noise of the machine meets both alike; what counts is the median of
 * the ratios of neighbouring turns. The other checkout needs its node_modules (a link will do).
 *
 *   node loadtest/before-after.ts CHECKOUT_BEFORE [SCENARIO] [ROUNDS]
 */
const PROXY_CORE = 0
const LOAD_CORE = 1
const CONNECTIONS = 64
const WARM_UP_SECONDS = 5
const TURN_SECONDS = 2

const [before, scenarioName = 'plain', rounds = '15'] = process.argv.slice(2)
const scenario = SCENARIOS.find(({ name }) => name === scenarioName)
if (before === undefined || scenario === undefined) {
  const names = SCENARIOS.map(({ name }) => name).join('|')
  console.error(`usage: node loadtest/before-after.ts CHECKOUT_BEFORE [${names}] [ROUNDS]`)
  process.exit(1)
}

const folder = mkdtempSync(join(tmpdir(), 'tidegate-before-after-'))
const backend = await startBackend(scenario, LOAD_CORE)
const gateways: RunningProxy[] = []
try {
  const tls = writeTlsFiles(folder)
  for (const checkout of [before, join(import.meta.dirname, '..')]) {
    const own = join(folder, String(gateways.length))
    mkdirSync(own)
    const kind = tidegateOf(join(resolve(checkout), 'bin', 'tidegate'))
    const setup = { backendPort: backend.port, folder: own, core: PROXY_CORE, scenario, tls }
    gateways.push(await kind.start(setup))
  }
  for (const { port } of gateways) await turn(port, WARM_UP_SECONDS)
  const turns: (readonly number[])[] = []
  for (let round = 0; round < Number(rounds); round++) {
    const costs: number[] = []
    for (const gateway of gateways) costs.push(await costOf(gateway))
    turns.push(costs)
  }
  report(turns)
} finally {
  for (const gateway of gateways) await gateway.stop()
  await stopChild(backend.child)
  rmSync(folder, { recursive: true, force: true })
}

function turn(port: number, seconds: number): ReturnType<typeof fullLoad> {
  return fullLoad({ scenario: scenario!, port, seconds, connections: CONNECTIONS, core: LOAD_CORE })
}

/** CPU time of the gateway for one request, microseconds. */
async function costOf({ pid, port }: RunningProxy): Promise<number> {
  const began = cpuTimeOf(pid)
  const { requests } = await turn(port, TURN_SECONDS)
  const ended = cpuTimeOf(pid)
  return ((ended.userMs + ended.systemMs - began.userMs - began.systemMs) * 1000) / requests
}

function report(turns: readonly (readonly number[])[]): void {
  for (const [at, name] of ['before', 'after'].entries()) {
    const costs = turns.map((pair) => pair[at]!)
    const [middle, least] = [percentile(costs, 0.5), Math.min(...costs)]
    console.log(
      `${name.padEnd(6)} ${middle.toFixed(2)} us/request, least ${least.toFixed(2)} (${turns.length} turns of ${TURN_SECONDS} s)`,
    )
  }
  const ratio = percentile(
    turns.map(([first, second]) => second! / first!),
    0.5,
  )
  console.log(`after / before ${ratio.toFixed(3)}, ${scenario!.title}`)
}
