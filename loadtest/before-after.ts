import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { percentile } from './micro/figures.ts'
import { stopChild } from './proxies/proxy.ts'
import { tidegateOf } from './proxies/tidegate.ts'
import { startBackend } from './running-backend.ts'
import { SCENARIOS, writeTlsFiles } from './scenario.ts'
import { Contender, costRatio, cpuOf, stopAll, takeTurns } from './turns.ts'

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
try {
  const tls = writeTlsFiles(folder)
  const kinds = [before, join(import.meta.dirname, '..')].map((checkout) =>
    tidegateOf(join(resolve(checkout), 'bin', 'tidegate')),
  )
  const setup = { backendPort: backend.port, folder, core: PROXY_CORE, scenario, tls }
  const gateways = await Contender.startAll(kinds, setup)
  try {
    const load = { scenario, seconds: TURN_SECONDS, connections: CONNECTIONS, core: LOAD_CORE }
    await takeTurns(gateways, load, Number(rounds))
    report(gateways)
  } finally {
    await stopAll(gateways)
  }
} finally {
  await stopChild(backend.child)
  rmSync(folder, { recursive: true, force: true })
}

function report([first, second]: readonly Contender[]): void {
  for (const [name, { turns }] of [
    ['before', first!],
    ['after', second!],
  ] as const) {
    const costs = turns.map(cpuOf)
    const [middle, least] = [percentile(costs, 0.5), Math.min(...costs)]
    console.log(
      `${name.padEnd(6)} ${middle.toFixed(2)} us/request, least ${least.toFixed(2)} (${turns.length} turns of ${TURN_SECONDS} s)`,
    )
  }
  const ratio = costRatio(second!.turns, first!.turns)
  console.log(`after / before ${ratio.toFixed(3)}, ${scenario!.title}`)
}
