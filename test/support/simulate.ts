import { splitHostPort } from '../../src/base/host-port.ts'
import type { CompileInput } from '../../src/compile/compile-input.ts'
import { compileSnapshot } from '../../src/compile/compile.ts'
import type { ClusterPlan } from '../../src/clusters/plan.ts'
import type { Problem } from '../../src/config/problems.ts'
import { ResourceStore } from '../../src/config/store.ts'
import type { Request } from '../../src/http/request.ts'
import { decideIn, NoRoute } from '../../src/proxy/decision.ts'
import { tablesFor } from '../../src/proxy/egress-access.ts'
import { knownHost, knownTunnel } from '../../src/proxy/egress-decision.ts'
import { servingChain, sharesCertificates } from '../../src/proxy/misdirected.ts'
import { httpsLocation } from '../../src/routing/redirect.ts'
import type { Route } from '../../src/routing/route.ts'
import type { VirtualHost } from '../../src/routing/virtual-host.ts'
import type { ListenerPlan, TcpServerPlan } from '../../src/snapshot/listener-plan.ts'
import { UNKNOWN_CLIENT } from '../../src/snapshot/egress-control.ts'
import type { Snapshot } from '../../src/snapshot/snapshot.ts'
import { requestOf } from './requests.ts'

/** One request, as a table row says it. */
export interface Call {
  /** Port of the listener; for the egress proxy the port asked for. */
  readonly port: number
  /** Host header; the port is added where it is not the scheme's own. */
  readonly host?: string
  /** Path with query. */
  readonly path?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Makes it a TLS connection; '' sends no server name. */
  readonly sni?: string
}

/** What became of a call. */
export interface Outcome {
  /** Route table: `http.8080`. */
  readonly table: string | null
  readonly virtualHost: string | null
  readonly route: string | null
  /** `spec.http[0].match[1]` */
  readonly rule: string | null
  /**
   * A cluster's name, `20% a, 80% b`, `301 https://a.com/`, `404 NR`, `503 NC`, `503 UH`,
   * `direct 200`, `passthrough`, `502 block`, `closed` (no listener), `handshake refused`.
   */
  readonly to: string
}

export type SimulationOptions = Partial<Omit<CompileInput, 'set' | 'generation'>>

/** YAML compiled in the manner of a file source, with calls to try on it. */
export class Simulation {
  readonly snapshot: Snapshot
  /** Findings of the compilation. */
  readonly problems: readonly Problem[]
  /** Findings of reading and validation. */
  readonly storeProblems: readonly Problem[]

  constructor(yaml: string, options: SimulationOptions = {}) {
    const compat = options.compat ?? false
    const loaded = new ResourceStore({ compat }).load([
      { path: 'test.yaml', text: yaml, error: null },
    ])
    const input: CompileInput = {
      generation: 1,
      ownLabels: [],
      namespace: 'istio-system',
      domain: 'cluster.local',
      meshConfig: null,
      filterFactories: [],
      ...options,
      compat,
      set: loaded.set,
    }
    const { snapshot, problems } = compileSnapshot(input)
    this.snapshot = snapshot
    this.problems = problems
    this.storeProblems = loaded.problems
  }

  listener(port: number): ListenerPlan | null {
    return this.snapshot.listeners.find((listener) => listener.targetPort === port) ?? null
  }

  cluster(name: string): ClusterPlan {
    const found = this.snapshot.clusters.find((cluster) => cluster.name === name)
    if (found === undefined) {
      const names = this.snapshot.clusters.map((cluster) => cluster.name).join('\n')
      throw new Error(`no cluster ${name} among\n${names}`)
    }
    return found
  }

  /** Findings with this code. */
  found(code: string): readonly Problem[] {
    return this.problems.filter((problem) => problem.code === code)
  }

  /** A request to a Gateway listener. */
  resolve(call: Call): Outcome {
    const accept = this.listener(call.port)?.accept
    if (accept === undefined) return outcome('closed')
    if (accept.type === 'tcp') return outcome(sharesOf(accept.tcp))
    const request = requestFor(call, call.sni === undefined ? 'http' : 'https')
    if (accept.type === 'http') {
      const { hosts, name } = accept.http
      return routed(name, hosts.lookup(request.authority), request, call.port)
    }
    const chain = accept.chains.bySni.find(call.sni ?? '')
    if (chain === null) return outcome('closed')
    if (chain.passesThrough && chain.tcp === null) return outcome('closed')
    if (chain.passesThrough && chain.tcp !== null) return outcome(sharesOf(chain.tcp))
    if (chain.tls.certificates.length === 0) return outcome('handshake refused')
    if (chain.opaque) return outcome(chain.tcp === null ? 'closed' : sharesOf(chain.tcp))
    const { authority } = request
    const serving = servingChain(accept.chains, chain, authority, (_host, owner) =>
      sharesCertificates(chain, owner),
    )
    if (serving === null) return { ...outcome('421 NR'), table: chain.http.name }
    const { hosts, name } = serving.http
    return routed(name, hosts.lookup(authority), request, call.port)
  }

  /** An absolute-form request to the egress proxy; `namespace` is the client's, '' for nobody known. */
  egress(call: Call, namespace = ''): Outcome {
    const { egress } = this.snapshot
    const tables = tablesFor(egress, { ...UNKNOWN_CLIENT, namespace })
    const request = requestFor(call, 'http')
    const { host } = splitHostPort(request.authority)
    const known = knownHost(tables, host, call.port)
    return routed(String(call.port), known ?? egress.unknownHost, request, call.port)
  }

  /** CONNECT to the egress proxy: a cluster, shares, `asked host`, `passthrough` or `refused`. */
  connect(host: string, port: number, namespace = ''): string {
    const { egress } = this.snapshot
    const tables = tablesFor(egress, { ...UNKNOWN_CLIENT, namespace })
    const known = knownTunnel(tables, host, port)
    if (known === null) return egress.policy === 'ALLOW_ANY' ? 'passthrough' : 'refused'
    if (known.rule !== null) return sharesOf(known.rule)
    return known.cluster?.name ?? 'asked host'
  }
}

function requestFor(call: Call, scheme: 'http' | 'https'): Request {
  const host = call.host ?? call.sni ?? ''
  const fields = Object.entries(call.headers ?? {}).flat()
  return requestOf({
    method: call.method ?? 'GET',
    scheme,
    authority: host,
    target: call.path ?? '/',
    headers: fields,
  })
}

function routed(
  table: string,
  virtualHost: VirtualHost | null,
  request: Request,
  port: number,
): Outcome {
  if (virtualHost === null) return { ...outcome('404 NR'), table }
  const named = { table, virtualHost: virtualHost.name }
  const route = decideIn(virtualHost, request)
  if (route instanceof NoRoute) {
    const { kind, status, flag } = route
    const to = kind === 'https-redirect' ? httpsLocation(request) : flag
    return { ...outcome(`${status} ${to}`), ...named }
  }
  const to = actionText(route, request, port)
  return { ...named, route: route.name, rule: route.origin.path, to }
}

function actionText(route: Route, request: Request, port: number): string {
  const { action } = route
  switch (action.type) {
    case 'redirect': {
      const { redirect } = action
      return `${redirect.status} ${redirect.location(request, port, route.match)}`
    }
    case 'direct-response':
      return `direct ${action.status}`
    case 'passthrough':
      return 'passthrough'
    case 'black-hole':
      return '502 block'
    case 'forward':
      return sharesOf({
        cumulativeWeights: action.cumulativeWeights,
        destinations: action.destinations,
      })
  }
}

function sharesOf(plan: Pick<TcpServerPlan, 'destinations' | 'cumulativeWeights'>): string {
  const total = plan.cumulativeWeights.at(-1) ?? 0
  const parts = plan.destinations.map(({ clusterName, cluster }, index) => {
    const from = plan.cumulativeWeights[index - 1] ?? 0
    const weight = (plan.cumulativeWeights[index] ?? 0) - from
    const text = destinationText(clusterName, cluster)
    return plan.destinations.length === 1 ? text : `${Math.round((weight * 100) / total)}% ${text}`
  })
  return parts.join(', ')
}

function destinationText(clusterName: string, cluster: ClusterPlan | null): string {
  if (cluster === null) return '503 NC'
  return cluster.endpoints.length === 0 ? '503 UH' : clusterName
}

function outcome(to: string): Outcome {
  return { table: null, virtualHost: null, route: null, rule: null, to }
}
