import type { TestGateway } from './gateway.ts'

/** A finding as GET /problems and `validate -o json` tell it. */
export interface ShownProblem {
  readonly code: string
  readonly severity: 'error' | 'warning' | 'info'
  readonly kind: string | null
  readonly namespace: string | null
  readonly name: string | null
  readonly path: string | null
  readonly message: string
  readonly hint: string | null
  readonly file: string | null
  readonly line: number | null
}

export interface ShownEndpoint {
  readonly address: string
  readonly health: 'healthy' | 'ejected'
  readonly returnsInMs: number
  readonly priority?: number
  readonly consecutiveGatewayErrors: number
  readonly counters: Readonly<Record<string, number>>
}

export interface ShownCluster {
  readonly name: string
  readonly counters: Readonly<Record<string, number>>
  readonly endpoints: readonly ShownEndpoint[]
}

async function get(gw: TestGateway, path: string): Promise<Response> {
  const response = await fetch(gw.admin + path)
  if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`)
  return response
}

export async function problemsOf(gw: TestGateway, code?: string): Promise<ShownProblem[]> {
  const { problems } = (await (await get(gw, '/problems')).json()) as { problems: ShownProblem[] }
  return code === undefined ? problems : problems.filter((problem) => problem.code === code)
}

/** The cluster of /clusters?format=json with this name. */
export async function clusterOf(gw: TestGateway, name: string): Promise<ShownCluster> {
  const response = await get(gw, '/clusters?format=json')
  const { clusters } = (await response.json()) as { clusters: ShownCluster[] }
  const found = clusters.find((cluster) => cluster.name === name)
  if (found === undefined)
    throw new Error(`no ${name} in ${clusters.map((one) => one.name).join()}`)
  return found
}

export async function configDump(gw: TestGateway, resource: string): Promise<unknown> {
  const dump = (await (await get(gw, `/config_dump?resource=${resource}`)).json()) as Record<
    string,
    unknown
  >
  return dump[resource]
}

/** Sum of the samples of `metric` whose labels are among those given. */
export async function metricOf(
  gw: TestGateway,
  metric: string,
  labels: Readonly<Record<string, string>>,
): Promise<number> {
  const exposition = await (await get(gw, '/stats/prometheus')).text()
  const wanted = Object.entries(labels).map(([name, value]) => `${name}="${value}"`)
  const samples = exposition
    .split('\n')
    .filter(
      (line) => line.startsWith(`${metric}{`) && wanted.every((label) => line.includes(label)),
    )
  return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}
