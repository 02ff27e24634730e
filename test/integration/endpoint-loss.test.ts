import { expect, test } from 'vitest'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { type Reply, sendMany } from '../support/traffic.ts'
import { UpstreamProcess } from '../support/upstream-process.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, virtualService } from '../support/yaml.ts'

const CONCURRENCY = 12
const ROUND = 240

interface Options {
  readonly policy: string
  /** YAML of the rule beside its route. */
  readonly rule: string
}

function configuration(upstreams: readonly UpstreamProcess[], options: Options): string {
  const list = upstreams.map(({ port }) => `{ address: 127.0.0.1, ports: { http: ${port} } }`)
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: app }
spec:
  hosts: [app.test]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [${list.join(', ')}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: app }
spec:
  host: app.test
  trafficPolicy: ${options.policy}
---
${gateway('edge', ['app.test'])}${virtualService(
    'app',
    ['app.test'],
    ['edge'],
    `  - route: [{ destination: { host: app.test } }]
    ${options.rule}`,
  )}`
}

async function startThree(): Promise<readonly UpstreamProcess[]> {
  return Promise.all(['a', 'b', 'c'].map((name) => UpstreamProcess.start(name)))
}

async function endAll(upstreams: readonly UpstreamProcess[]): Promise<void> {
  for (const upstream of upstreams) await upstream[Symbol.asyncDispose]()
}

/** Requests without a pause until `stop`; then every reply there was. */
function load(gw: TestGateway): {
  stop(): Promise<Reply[]>
  readonly done: () => number
  /** Did this upstream answer one of the requests from the nth on? */
  readonly isFrom: (name: string, from: number) => boolean
} {
  const replies: Reply[] = []
  let stopped = false
  const run = async (): Promise<void> => {
    while (!stopped) {
      const traffic = { port: gw.port(80), count: ROUND, concurrency: CONCURRENCY, url: '/' }
      replies.push(...(await sendMany({ ...traffic, headers: { host: 'app.test' } })))
    }
  }
  const running = run()
  return {
    done: () => replies.length,
    isFrom: (name, from) => replies.slice(from).some(({ body }) => body === name),
    async stop() {
      stopped = true
      await running
      return replies
    },
  }
}

const failed = (replies: readonly Reply[]): string[] =>
  replies.filter(({ status }) => status !== 200).map(({ status, body }) => `${status} ${body}`)

test('one of three killed and started again under load: with default retries and outlier detection nobody notices', async () => {
  const upstreams = await startThree()
  try {
    const policy =
      '{ outlierDetection: { splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 3, interval: 0.2s, baseEjectionTime: 0.5s } }'
    await using gw = await startGateway(configuration(upstreams, { policy, rule: '' }), {
      ports: [80],
    })
    const traffic = load(gw)
    await waitFor('traffic', () => traffic.done() >= ROUND)
    await upstreams[1]!.kill()
    const atLoss = traffic.done()
    await waitFor('traffic without it', () => traffic.done() >= atLoss + 3 * ROUND, 20_000)
    await upstreams[1]!.start()
    const atReturn = traffic.done()
    await waitFor('answers of it', () => traffic.isFrom('b', atReturn), 20_000)
    expect(failed(await traffic.stop())).toEqual([])
  } finally {
    await endAll(upstreams)
  }
})

test('one of three frozen for a while: a try that lasts too long goes elsewhere', async () => {
  const upstreams = await startThree()
  try {
    const policy =
      '{ outlierDetection: { consecutiveGatewayErrors: 3, interval: 0.2s, baseEjectionTime: 2s } }'
    const rule = 'retries: { attempts: 3, perTryTimeout: 0.25s, retryOn: "gateway-error,reset" }'
    await using gw = await startGateway(configuration(upstreams, { policy, rule }), { ports: [80] })
    const traffic = load(gw)
    await waitFor('traffic', () => traffic.done() >= ROUND)
    upstreams[0]!.freeze()
    const atLoss = traffic.done()
    await waitFor('traffic without it', () => traffic.done() >= atLoss + 3 * ROUND, 20_000)
    upstreams[0]!.thaw()
    expect(failed(await traffic.stop())).toEqual([])
  } finally {
    await endAll(upstreams)
  }
})

test('without retries and outlier detection no more fails than the share of the lost endpoint', async () => {
  const upstreams = await startThree()
  try {
    const policy = '{ loadBalancer: { simple: ROUND_ROBIN } }'
    const options = { policy, rule: 'retries: { attempts: 0 }' }
    await using gw = await startGateway(configuration(upstreams, options), { ports: [80] })
    const ask = (): Promise<Reply[]> =>
      sendMany({ port: gw.port(80), count: ROUND, url: '/', headers: { host: 'app.test' } })
    expect(failed(await ask())).toEqual([])
    await upstreams[2]!.kill()
    const failures = failed(await ask())
    expect(failures.length).toBeGreaterThan(0)
    expect(failures.length).toBeLessThanOrEqual(ROUND / 3 + 1)
    await upstreams[2]!.start()
    expect(failed(await ask())).toEqual([])
  } finally {
    await endAll(upstreams)
  }
})
