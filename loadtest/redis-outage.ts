import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRedis } from '../test/support/redis.ts'
import { waitFor } from '../test/support/wait.ts'
import { freePort, type RunningProxy, startPinned, stopChild } from './proxies/proxy.ts'
import { backendOf, QUIET_MESH } from './proxies/tidegate.ts'
import { startBackend } from './running-backend.ts'
import { SCENARIOS } from './scenario.ts'

/**
 * Redis stops answering (SIGSTOP) under load and comes back: two gateways share a limit that each
 * enforces its share of meanwhile (`onFailure: local`), offered ten times as much. How long requests
 * took is read from the gateways' own histogram.
 *
 *   node loadtest/redis-outage.ts
 */
const GATEWAY_CORE = 0
const LOAD_CORE = 1
const GATEWAYS = 2
const LIMIT = 200
const PER_SECOND = 10 * LIMIT
const FROZEN_WINDOWS = 5
const TICK_MS = 5
const EXACT_AFTER_MS = 5_000
/** Bound of the histogram: the budget of 20 ms, and 5 ms. */
const BOUND_MS = 25
const CONNECTIONS = 64

const POLICY = `---
apiVersion: tidegate.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: bench }
spec:
  targetRef: { kind: VirtualService, name: bench }
  onFailure: local
  rules:
  - name: all
    limits: [{ requests: ${LIMIT}, per: 1s, algorithm: fixedWindow }]
`

interface Gateway extends RunningProxy {
  readonly metricsPort: number
}

interface Phase {
  /** Admitted in whole calendar windows. */
  readonly admitted: readonly number[]
  readonly failed: number
  readonly requests: number
  /** Share of all requests that took the gateways at most BOUND_MS. */
  readonly share: number
}

const folder = mkdtempSync(join(tmpdir(), 'tidegate-outage-'))
const backend = await startBackend(SCENARIOS[0]!, LOAD_CORE)
await using redis = await startRedis()
const gateways: Gateway[] = []
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
try {
  writeFileSync(join(folder, 'bench.yaml'), configuration())
  for (let i = 0; i < GATEWAYS; i++) gateways.push(await startGateway())
  for (const gateway of gateways) {
    await waitFor(
      'all gateways to be known',
      async () => {
        return (await metric(gateway, 'tidegate_rate_limit_replicas')) === GATEWAYS
      },
      30_000,
    )
  }
  await offer(3)
  const calm = await offer(FROZEN_WINDOWS)
  redis.freeze()
  const frozen = await offer(FROZEN_WINDOWS)
  redis.thaw()
  const thawedAt = performance.now()
  const back = offer(8)
  await waitFor('counting in Redis', async () => !(await isDegraded()), 30_000)
  const returnedMs = performance.now() - thawedAt
  const after = await back
  report('Redis answers', calm)
  report('frozen', frozen)
  report('thawed', after)
  const exact = after.admitted.slice(EXACT_AFTER_MS / 1000)
  console.log(`counting in Redis again ${returnedMs.toFixed(0)} ms after SIGCONT`)
  const good =
    frozen.share >= 0.999 &&
    Math.max(...frozen.admitted) <= 1.1 * LIMIT &&
    returnedMs <= EXACT_AFTER_MS &&
    exact.every((count) => count <= LIMIT)
  process.exitCode = good ? 0 : 1
} finally {
  agent.destroy()
  for (const gateway of gateways) await gateway.stop()
  await stopChild(backend.child)
  rmSync(folder, { recursive: true, force: true })
}

function configuration(): string {
  return `${QUIET_MESH}apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: bench }
spec:
  servers:
  - port: { number: 80, name: http, protocol: HTTP }
    hosts: ["bench.test"]
---
${backendOf(backend.port)}${POLICY}`
}

async function startGateway(): Promise<Gateway> {
  const port = await freePort()
  const metricsPort = await freePort()
  const command = join(import.meta.dirname, '..', 'bin', 'tidegate')
  const args = ['run', '-c', folder, '--listen', `80=127.0.0.1:${port}`, '--redis', redis.url]
  args.push('--admin', `127.0.0.1:${metricsPort}`, '--status', 'off', '--log-level', 'error')
  const running = await startPinned(GATEWAY_CORE, command, args, port)
  return { ...running, metricsPort }
}

/** Offers load for whole windows: what is sent and answered in different ones belongs to neither. */
async function offer(windows: number): Promise<Phase> {
  await new Promise((resolve) => setTimeout(resolve, 1000 - (Date.now() % 1000)))
  const first = Math.floor(Date.now() / 1000)
  const admitted = Array.from({ length: windows }, () => 0)
  const before = await durations()
  let requests = 0
  let failed = 0
  let open = 0
  const startedAt = performance.now()
  const end = (sentAt: number, status: number): void => {
    open--
    const window = Math.floor(Date.now() / 1000)
    if (status !== 200 && status !== 429) failed++
    if (status === 200 && window === sentAt && window - first < windows) admitted[window - first]!++
  }
  while (Math.floor(Date.now() / 1000) - first < windows) {
    const due = ((performance.now() - startedAt) / 1000) * PER_SECOND
    for (; requests < due; requests++) {
      const sentAt = Math.floor(Date.now() / 1000)
      open++
      ask(gateways[requests % GATEWAYS]!.port, (status) => end(sentAt, status))
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS))
  }
  while (open > 0) await new Promise((resolve) => setTimeout(resolve, TICK_MS))
  const after = await durations()
  const share = (after.within - before.within) / (after.all - before.all)
  return { admitted, failed, requests, share }
}

function ask(port: number, onDone: (status: number) => void): void {
  const request = get({ host: '127.0.0.1', port, agent, headers: { host: 'bench.test' } })
  request.on('response', (response) => {
    response.resume()
    response.on('end', () => onDone(response.statusCode ?? 0))
  })
  request.on('error', () => onDone(0))
}

async function durations(): Promise<{ within: number; all: number }> {
  let [within, all] = [0, 0]
  for (const gateway of gateways) {
    const text = await metrics(gateway)
    within += sum(text, 'istio_request_duration_milliseconds_bucket', `le="${BOUND_MS}"`)
    all += sum(text, 'istio_request_duration_milliseconds_count')
  }
  return { within, all }
}

async function isDegraded(): Promise<boolean> {
  const values = gateways.map((gateway) => metric(gateway, 'tidegate_rate_limit_degraded'))
  return (await Promise.all(values)).some((value) => value > 0)
}

async function metric(gateway: Gateway, name: string): Promise<number> {
  return sum(await metrics(gateway), name)
}

async function metrics({ metricsPort }: Gateway): Promise<string> {
  return (await fetch(`http://127.0.0.1:${metricsPort}/stats/prometheus`)).text()
}

function sum(text: string, name: string, label = ''): number {
  let total = 0
  for (const line of text.split('\n')) {
    if (!line.startsWith(name) || !line.includes(label)) continue
    total += Number(line.slice(line.lastIndexOf(' ')))
  }
  return total
}

function report(name: string, { admitted, failed, requests, share }: Phase): void {
  console.log(
    `${name}: ${requests} requests, ${failed} failed, admitted in each second ${admitted.join(' ')} ` +
      `(limit ${LIMIT}), ${(share * 100).toFixed(3)} % within ${BOUND_MS} ms`,
  )
}
