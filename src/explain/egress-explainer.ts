import { isIP } from 'node:net'
import { howToShow, whyHidden } from '../base/hidden-by.ts'
import { fromBytes } from '../base/latin1.ts'
import { splitHostPort } from '../base/host-port.ts'
import { Refusal } from '../http/refusal.ts'
import { NoRoute, refusedOutright, decideIn } from '../proxy/decision.ts'
import {
  type EgressAsk,
  hidingRule,
  passesUndeclared,
  policyFor,
  undeclaredHost,
} from '../proxy/egress-access.ts'
import { clientAt } from '../proxy/egress-client.ts'
import {
  askedPort,
  isTunnelPort,
  knownHost,
  type KnownTunnel,
  knownTunnel,
} from '../proxy/egress-decision.ts'
import type { VirtualHost } from '../routing/virtual-host.ts'
import { UNKNOWN_CLIENT } from '../snapshot/egress-control.ts'
import type { ParentProxy } from '../snapshot/egress-plan.ts'
import type { CallUrl, ExplainCall } from './call.ts'
import { type AcceptedCall, acceptCall, explainRequest, refusalReason } from './call-request.ts'
import { explainDestinations } from './destination-view.ts'
import { type ExplainContext, type Finding, NOTHING } from './context.ts'
import type { ElsewhereHint, ExplainedListener, ExplainedOutcome } from './explanation.ts'
import { matchedPattern, nearestHost } from './host-pattern.ts'
import {
  outcomeOfDestinations,
  outcomeOfRoute,
  outcomeWithoutRoute,
  refused,
  served,
} from './outcome.ts'
import { explainRoute, routeDestinations } from './route-view.ts'
import { nearestRules, ruleVerdicts } from './rule-verdicts.ts'
import { explainVirtualHost } from './virtual-host-view.ts'

/** Requests to the egress proxy: absolute-form HTTP by host and port, CONNECT for all else. */
export class EgressExplainer {
  readonly #context: ExplainContext

  constructor(context: ExplainContext) {
    this.#context = context
  }

  explain(call: ExplainCall, url: CallUrl, peer: string): Finding {
    const { snapshot, live, bound } = this.#context.source
    if (live && !bound.some(({ name }) => name === 'egress')) return this.#closed()
    const connect = call.method === 'CONNECT' || url.scheme === 'https'
    const asked: ExplainCall = connect ? { ...call, method: 'CONNECT' } : call
    const from = { address: peer, scheme: 'http', serverName: null } as const
    const accepted = acceptCall(asked, url, from, snapshot.mesh)
    const found = { ...NOTHING, listener: this.#listener() }
    if (accepted instanceof Refusal) {
      const refusal = { status: accepted.status, flag: 'DPE', reason: refusalReason(accepted) }
      return { ...found, outcome: refused(refusal) }
    }
    const request = { ...found, request: explainRequest(accepted) }
    const refusal = refusedOutright(accepted.request)
    if (refusal !== null) {
      return { ...request, outcome: outcomeWithoutRoute(refusal, accepted.request, []) }
    }
    const { host } = splitHostPort(accepted.request.authority)
    const port = askedPort(accepted.request.authority, connect)
    const ask = this.#ask(peer, fromBytes(host), port)
    if (ask === null) {
      const reason = `nothing tells which workload ${peer} is, and --egress-unknown-clients is refuse`
      return { ...request, outcome: refused({ status: 403, flag: '', reason }) }
    }
    return connect
      ? { ...request, ...this.#tunnel(ask) }
      : { ...request, ...this.#http(accepted, ask) }
  }

  /** null: such a client is refused. */
  #ask(peer: string, askedHost: string, port: number): EgressAsk | null {
    const plan = this.#context.source.snapshot.egress
    const client = plan.control === null ? UNKNOWN_CLIENT : clientAt(plan.control, peer)
    return client === null
      ? null
      : { plan, client, policy: policyFor(plan, client), askedHost, port }
  }

  #closed(): Finding {
    const reason = 'the gateway has no egress proxy open'
    const hints = ['start it with --egress PORT, or MeshConfig proxyHttpPort']
    return { ...NOTHING, outcome: refused({ status: 0, flag: '', reason }, hints) }
  }

  #listener(): ExplainedListener {
    const { bound } = this.#context.source
    return {
      key: 'egress',
      type: 'egress',
      gatewayPorts: [],
      addresses: bound.find(({ name }) => name === 'egress')?.addresses ?? [],
      routeTable: null,
      servers: [],
    }
  }

  #http(accepted: AcceptedCall, ask: EgressAsk): EgressFinding {
    const { plan, askedHost: host, port } = ask
    const { request } = accepted
    const { clusters, source } = this.#context
    const declared = knownHost(plan, host, port)
    const hiddenBy = declared === null ? '' : hidingRule(ask, declared)
    const known = hiddenBy === '' ? declared : null
    const virtualHost = known ?? undeclaredHost(ask)
    const decision = decideIn(virtualHost, request)
    const winner = decision instanceof NoRoute ? null : decision
    const rules = ruleVerdicts(virtualHost, request, winner)
    const found = {
      virtualHost: explainVirtualHost(virtualHost, this.#pattern(virtualHost, host, port), {
        unknownHost: known === null,
        set: source.set,
      }),
      rules,
      elsewhere: this.#elsewhere(known, host, port),
    }
    if (decision instanceof NoRoute) {
      const hints = nearestRules(virtualHost, request, rules)
      const outcome = outcomeWithoutRoute(decision, request, hints)
      return { ...found, route: null, destinations: [], outcome, decided: null }
    }
    if (hiddenBy !== '' && !passesUndeclared(ask)) {
      return {
        ...found,
        route: null,
        destinations: [],
        outcome: hidden(ask, hiddenBy),
        decided: null,
      }
    }
    const route = explainRoute(decision, request)
    const destinations = routeDestinations(decision, clusters, source.problems)
    const chained = known === null && passesUndeclared(ask) ? plan.parent : null
    const outcome =
      chained === null
        ? outcomeOfRoute(decision, request, port, destinations)
        : throughParent(chained, request.authority)
    const hints =
      known === null
        ? [...outcome.hints, ...reportHints(ask), ...this.#unknownHints(ask, hiddenBy)]
        : outcome.hints
    const decided = { route: decision, request, accepted }
    return { ...found, route, destinations, outcome: { ...outcome, hints }, decided }
  }

  #pattern(
    virtualHost: VirtualHost,
    host: string,
    port: number,
  ): Parameters<typeof explainVirtualHost>[1] {
    const { egress } = this.#context.source.snapshot
    const { control, unknownHost } = egress
    const any = [unknownHost, control?.allowAny, control?.blockAll]
    if (any.includes(virtualHost)) return { pattern: '*', match: 'any' }
    const table = egress.http.get(port)
    if (table !== undefined && table.find(host) === virtualHost) {
      return matchedPattern(table, host, virtualHost)
    }
    return { pattern: host, match: 'address' }
  }

  #elsewhere(known: VirtualHost | null, host: string, port: number): readonly ElsewhereHint[] {
    const { elsewhere } = this.#context
    if (elsewhere === null || isIP(host) !== 0) return []
    const domain = known === null ? null : host
    return elsewhere.hints({
      host,
      gateways: ['mesh'],
      servers: [],
      ports: [port],
      virtualHost: known,
      domain,
    })
  }

  /** A host nobody declared on this port: who declares it on another, and what is spelled alike. */
  #unknownHints({ askedHost: host, port }: EgressAsk, hiddenBy: string): readonly string[] {
    if (hiddenBy !== '') return [whyHidden(hiddenBy)]
    const { egress } = this.#context.source.snapshot
    const tables = [...egress.http, ...egress.tunnels, ...egress.tunnelRules]
    const ports = new Set(
      tables.flatMap(([other, table]) => (table.find(host) === null ? [] : [other])),
    )
    ports.delete(port)
    if (ports.size > 0) {
      return [`${host} is declared on port ${[...ports].join(', ')}, not on ${port}`]
    }
    const names = tables.flatMap(([, table]) => table.entries.map(([pattern]) => pattern))
    return [nearestHost(host, [...new Set(names)])].filter((hint) => hint !== null)
  }

  #tunnel(ask: EgressAsk): EgressFinding {
    const { plan, askedHost: host, port } = ask
    const declared = knownTunnel(plan, host, port)
    const hiddenBy = declared === null ? '' : hidingRule(ask, null)
    const known = hiddenBy === '' ? declared : null
    const found = {
      virtualHost: null,
      rules: [],
      route: null,
      destinations: [],
      elsewhere: [],
      decided: null,
    }
    if (known !== null) return { ...found, ...this.#knownTunnel(known, ask) }
    if (hiddenBy !== '' && !passesUndeclared(ask)) {
      return { ...found, outcome: hidden(ask, hiddenBy) }
    }
    const hints = [...reportHints(ask), ...this.#unknownHints(ask, hiddenBy)]
    if (!passesUndeclared(ask)) {
      const reason = `egress to ${host}:${port} is blocked: no Service, ServiceEntry or VirtualService declares this host on port ${port}, and outboundTrafficPolicy is REGISTRY_ONLY`
      return { ...found, outcome: refused({ status: 502, flag: '', reason }, hints) }
    }
    const { connectPorts } = this.#context.source.snapshot.mesh.connections.egressTunnels
    if (!isTunnelPort(port, connectPorts)) {
      const reason = `a tunnel to ${host}:${port} is refused: nobody declares the host, and --limit egress-connect-ports=${connectPorts} leaves out port ${port}`
      return { ...found, outcome: refused({ status: 403, flag: '', reason }, hints) }
    }
    if (plan.parent !== null) {
      return { ...found, outcome: { ...throughParent(plan.parent, `${host}:${port}`), hints } }
    }
    const text = `tunnel to ${host}:${port} itself (PassthroughCluster): nobody declares it, outboundTrafficPolicy is ${ask.policy}`
    return { ...found, outcome: { ...served('tunnel', text), hints } }
  }

  #knownTunnel(
    known: KnownTunnel,
    { askedHost: host, port }: EgressAsk,
  ): Pick<Finding, 'outcome' | 'destinations'> {
    const { name, cluster, rule } = known
    const split =
      rule ??
      (cluster === null
        ? null
        : { destinations: [{ clusterName: name, cluster }], cumulativeWeights: [1] })
    if (split === null) {
      const text = `tunnel to ${host}:${port} itself: declared by ${name}`
      return { outcome: served('tunnel', text), destinations: [] }
    }
    const missing = { status: 503, flag: 'NC', reason: 'there is no such host, subset or port' }
    const { clusters } = this.#context
    const views = explainDestinations(
      split.destinations,
      split.cumulativeWeights,
      clusters,
      missing,
    )
    return { outcome: outcomeOfDestinations('tunnel', views), destinations: views }
  }
}

function hidden({ askedHost, port }: EgressAsk, hiddenBy: string): Finding['outcome'] {
  const reason = `egress to ${askedHost}:${port} is blocked: ${whyHidden(hiddenBy)}, and the policy is REGISTRY_ONLY`
  return refused({ status: 403, flag: '', reason }, [`it takes ${howToShow(hiddenBy, askedHost)}`])
}

function reportHints(ask: EgressAsk): readonly string[] {
  if (ask.policy !== 'REGISTRY_ONLY' || !passesUndeclared(ask)) return []
  return ['it passes only because of --egress-mode report: REGISTRY_ONLY would block it']
}

type EgressFinding = Pick<
  Finding,
  'virtualHost' | 'rules' | 'route' | 'destinations' | 'elsewhere' | 'outcome' | 'decided'
>

/** outboundTrafficPolicy.egressProxy reaches what nobody declares. */
function throughParent({ clusterName, cluster }: ParentProxy, place: string): ExplainedOutcome {
  if (cluster !== null) {
    return served(
      'passthrough',
      `to ${place} through ${clusterName} (outboundTrafficPolicy.egressProxy)`,
    )
  }
  const reason = `outboundTrafficPolicy.egressProxy names ${clusterName}, which does not exist`
  return refused({ status: 503, flag: 'NC', reason })
}
