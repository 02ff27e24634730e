import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import type { AttackOrder, AttackReport } from './hostile-clients.ts'
import { type PhaseResult, politeClients } from './polite-clients.ts'
import { cpuTimeOf } from './process-cpu.ts'
import { freePort, type RunningProxy, startPinned, stopChild } from './proxies/proxy.ts'
import { backendOf, QUIET_MESH } from './proxies/tidegate.ts'
import { type TlsFiles, writeTlsFiles } from './scenario.ts'

/**
 * Well-behaved clients while others attack: slow heads, slow bodies and slow readers, HTTP/2 rapid
 * reset, and new connections without end, all at once and from other loopback addresses. The gateway
 * has one core, everything else the other. Each round measures undisturbed, then while the attack is
 * new, which is when the engine compiles what nobody ran before, then while it goes on. Undisturbed
 * takes as long as the second: of eight seconds, p99 was 2.2 ms in one round and 5.5 in the next.
 *
 *   node loadtest/hostile-mix.ts [--rounds 3] [--seconds 8] [--first-seconds 30] [--slow 200]
 *                                [--resetters 1] [--new 2000] [--new-tls 100]
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '8' },
    /** The attack is new for so long. */
    'first-seconds': { type: 'string', default: '30' },
    slow: { type: 'string', default: '200' },
    resetters: { type: 'string', default: '1' },
    new: { type: 'string', default: '2000' },
    'new-tls': { type: 'string', default: '100' },
  },
})
const seconds = Number(values.seconds)
const firstSeconds = Number(values['first-seconds'])
const GATEWAY_CORE = 0
const LOAD_CORE = 1
const WARM_UP_SECONDS = 2
/** The attack stands before it is measured. */
const RAMP_SECONDS = 1.5
const POLL_MS = 20
const MAX_RATIO = 2
const KINDS = [
  { kind: 'h1', connections: 20, perSecond: 300 },
  { kind: 'https', connections: 10, perSecond: 100 },
  { kind: 'h2', connections: 4, perSecond: 150 },
] as const
/** Past the gateway: what the machine, the backend and the measuring process add of their own. */
const CONTROL_NAME = 'past the gateway'
const CONTROL = { connections: 10, perSecond: 100 }

// Children inherit it; the gateway alone is put elsewhere.
spawnSync('taskset', ['-cp', String(LOAD_CORE), String(process.pid)], { stdio: 'ignore' })
const folder = mkdtempSync(join(tmpdir(), 'tidegate-mix-'))
let passed = true
try {
  const tls = writeTlsFiles(folder)
  const backend = spawn(process.execPath, [join(import.meta.dirname, 'mix-backend.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const [text] = (await once(backend.stdout, 'data')) as [Buffer]
    for (let round = 1; round <= Number(values.rounds); round++) {
      if (!(await runRound(round, Number(text.toString()), tls))) passed = false
    }
  } finally {
    await stopChild(backend)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = passed ? 0 : 1

interface Round {
  readonly calm: Phase
  readonly begun: Phase
  readonly attacked: Phase
}

interface Phase {
  readonly results: readonly PhaseResult[]
  /** Share of its core that the gateway used. */
  readonly gatewayCpu: number
  /** p99 of how late this process itself was, milliseconds. */
  readonly ownDelayMs: number
}

async function runRound(round: number, backendPort: number, tls: TlsFiles): Promise<boolean> {
  const plainPort = await freePort()
  const tlsPort = await freePort()
  const gateway = await startGateway(plainPort, tlsPort, backendPort, tls)
  const groups = KINDS.map(({ kind, connections, perSecond }) =>
    politeClients(kind, kind === 'h1' ? plainPort : tlsPort, connections, perSecond),
  )
  groups.push(politeClients('h1', backendPort, CONTROL.connections, CONTROL.perSecond))
  const measure = async (duration: number): Promise<Phase> => {
    const before = cpuTimeOf(gateway.pid)
    const startedAt = performance.now()
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const results = await Promise.all(groups.map((group) => group.run(duration)))
    delay.disable()
    const after = cpuTimeOf(gateway.pid)
    const cpuMs = after.userMs + after.systemMs - before.userMs - before.systemMs
    const gatewayCpu = cpuMs / (performance.now() - startedAt)
    return { results, gatewayCpu, ownDelayMs: delay.percentile(99) / 1e6 }
  }
  let attackers: ChildProcess | null = null
  try {
    await measure(WARM_UP_SECONDS)
    const calm = await measure(Math.max(seconds, firstSeconds))
    attackers = fork(join(import.meta.dirname, 'hostile-clients.ts'))
    const order: AttackOrder = {
      plainPort,
      tlsPort,
      slow: Number(values.slow),
      resetters: Number(values.resetters),
      newPerSecond: Number(values.new),
      newTlsPerSecond: Number(values['new-tls']),
    }
    const attack: AttackReport[] = []
    attackers.on('message', (report: AttackReport) => attack.push(report))
    attackers.send(order)
    while (attack.length === 0) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    await new Promise((resolve) => setTimeout(resolve, RAMP_SECONDS * 1000))
    const before = attack.at(-1)!
    const begun = await measure(firstSeconds)
    const attacked = await measure(seconds)
    return report(round, { calm, begun, attacked }, before, attack.at(-1)!)
  } finally {
    for (const group of groups) group.close()
    if (attackers !== null) await stopChild(attackers)
    await gateway.stop()
  }
}

function report(
  round: number,
  { calm, begun, attacked }: Round,
  before: AttackReport,
  after: AttackReport,
): boolean {
  const rate = (key: keyof AttackReport): string =>
    ((after[key] - before[key]) / (firstSeconds + seconds)).toFixed(0)
  console.log(`\nRound ${round}, load average ${loadavg()[0]!.toFixed(1)}`)
  console.log(
    `attack per second: ${rate('opened')} new connections (${rate('answered')} answered, ` +
      `${rate('failed')} not), ${rate('streamsReset')} streams reset over ${rate('sessionsEnded')} ` +
      `sessions; ${after.slowOpen} slow connections open`,
  )
  console.log(
    `gateway CPU ${[calm, begun, attacked].map((phase) => percent(phase.gatewayCpu)).join(' -> ')} of a ` +
      'core; the measuring process was late by (p99) ' +
      `${[calm, begun, attacked].map((phase) => phase.ownDelayMs.toFixed(1)).join(' -> ')} ms`,
  )
  console.log(
    '\n| clients | requests | errors | p50 ms | p99 ms | max ms | p99 times undisturbed |',
  )
  console.log('| --- | ---: | ---: | ---: | ---: | ---: | ---: |')
  let good = true
  const names = [...KINDS.map(({ kind }) => kind), CONTROL_NAME]
  names.forEach((name, at) => {
    const first = calm.results[at]!
    const ratioOf = (result: PhaseResult): number =>
      result.percentile(0.99) / first.percentile(0.99)
    const [second, third] = [begun.results[at]!, attacked.results[at]!]
    console.log(row(`${name}, undisturbed`, first, ''))
    console.log(row(`${name}, attack is new`, second, ratioOf(second).toFixed(2)))
    console.log(row(`${name}, attack goes on`, third, ratioOf(third).toFixed(2)))
    const errors = [first, second, third].flatMap((result) => result.errors)
    for (const error of new Set(errors)) console.log(`error: ${error}`)
    const judged = name !== CONTROL_NAME
    const worst = Math.max(ratioOf(second), ratioOf(third))
    if (errors.length > 0 || (judged && worst > MAX_RATIO)) good = false
  })
  return good
}

function row(name: string, result: PhaseResult, ratio: string): string {
  const of = (part: number): string => result.percentile(part).toFixed(2)
  const count = result.latenciesMs.length + result.errors.length
  return `| ${name} | ${count} | ${result.errors.length} | ${of(0.5)} | ${of(0.99)} | ${of(1)} | ${ratio} |`
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`
}

async function startGateway(
  plainPort: number,
  tlsPort: number,
  backendPort: number,
  tls: TlsFiles,
): Promise<RunningProxy> {
  const config = join(folder, 'mix')
  mkdirSync(config, { recursive: true })
  writeFileSync(join(config, 'mix.yaml'), configuration(backendPort, tls))
  const command = join(import.meta.dirname, '..', 'bin', 'tidegate')
  const bind = (from: number, to: number): string[] => ['--listen', `${from}=127.0.0.1:${to}`]
  const ports = [...bind(80, plainPort), ...bind(443, tlsPort)]
  const off = ['--admin', 'off', '--status', 'off', '--log-level', 'error']
  return startPinned(GATEWAY_CORE, command, ['run', '-c', config, ...ports, ...off], plainPort)
}

function configuration(backendPort: number, tls: TlsFiles): string {
  return `${QUIET_MESH}apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: bench }
spec:
  servers:
  - port: { number: 80, name: http, protocol: HTTP }
    hosts: ["bench.test"]
  - port: { number: 443, name: https, protocol: HTTPS }
    hosts: ["bench.test"]
    tls: { mode: SIMPLE, serverCertificate: ${tls.certificate}, privateKey: ${tls.key} }
---
${backendOf(backendPort)}`
}
