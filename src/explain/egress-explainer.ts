import { isIP } from 'node:net'
import { howToShow, whyHidden } from '../base/hidden-by.ts'
import { fromBytes } from '../base/latin1.ts'
import { splitHostPort } from '../base/host-port.ts'
import { Refusal } from '../http/refusal.ts'
import { NoRoute, refusedOutright, decideIn } from '../proxy/decision.ts'
import {
  type EgressAsk,
  hidingExport,
  hidingRule,
  passesUndeclared,
  policyFor,
  tablesFor,
  undeclaredHost,
} from '../proxy/egress-access.ts'
import { byCredentials, clientAt } from '../proxy/egress-client.ts'
import {
  askedPort,
  isTunnelPort,
  knownHost,
  type KnownTunnel,
  knownTunnel,
} from '../proxy/egress-decision.ts'
import type { VirtualHost } from '../routing/virtual-host.ts'
import { type EgressClient, UNKNOWN_CLIENT } from '../snapshot/egress-control.ts'
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
    const client = this.#client(peer, credentialsOf(call))
    if (client === null) return { ...request, outcome: this.#unknownClient(peer) }
    const ask = this.#ask(client, fromBytes(host), port)
    return connect
      ? { ...request, ...this.#tunnel(ask) }
      : { ...request, ...this.#http(accepted, ask) }
  }

  /** null: such a client is refused. */
  #client(peer: string, credentials: string | null): EgressClient | null {
    const { control } = this.#context.source.snapshot.egress
    if (control === null) return UNKNOWN_CLIENT
    if (control.users !== null && credentials !== null) {
      return byCredentials(control.users, credentials)
    }
    return clientAt(control, peer)
  }

  #unknownClient(peer: string): ExplainedOutcome {
    const { control } = this.#context.source.snapshot.egress
    const reason = `nothing tells which workload ${peer} is`
    if (control === null || control.users === null) {
      const text = `${reason}, and --egress-unknown-clients is refuse`
      return refused({ status: 403, flag: '', reason: text })
    }
    const hint = "name a user of --egress-users: -H 'Proxy-Authorization: Basic ...'"
    return refused({ status: 407, flag: '', reason: `no user is named, or wrong: ${reason}` }, [
      hint,
    ])
  }

  #ask(client: EgressClient, askedHost: string, port: number): EgressAsk {
    const plan = this.#context.source.snapshot.egress
    const policy = policyFor(plan, client)
    return { plan, client, tables: tablesFor(plan, client), policy, askedHost, port }
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
    const { plan, tables, askedHost: host, port } = ask
    const { request } = accepted
    const { clusters, source } = this.#context
    const declared = knownHost(tables, host, port)
    const hiddenBy = declared === null ? hidingExport(ask) : hidingRule(ask, declared)
    const known = hiddenBy === '' ? declared : null
    const virtualHost = known ?? undeclaredHost(ask)
    const decision = decideIn(virtualHost, request)
    const winner = decision instanceof NoRoute ? null : decision
    const rules = ruleVerdicts(virtualHost, request, winner)
    const found = {
      virtualHost: explainVirtualHost(virtualHost, this.#pattern(virtualHost, ask), {
        unknownHost: known === null,
        set: source.set,
      }),
      rules,
      elsewhere: this.#elsewhere(known, ask),
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
    const guarded = known === null ? this.#guarded(ask) : null
    if (guarded !== null) {
      return { ...found, route: null, destinations: [], outcome: guarded, decided: null }
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
    { plan, tables, askedHost: host, port }: EgressAsk,
  ): Parameters<typeof explainVirtualHost>[1] {
    const { control, unknownHost } = plan
    const any = [unknownHost, control?.allowAny, control?.blockAll]
    if (any.includes(virtualHost)) return { pattern: '*', match: 'any' }
    const table = tables.http.get(port)
    if (table !== undefined && table.find(host) === virtualHost) {
      return matchedPattern(table, host, virtualHost)
    }
    return { pattern: host, match: 'address' }
  }

  #elsewhere(
    known: VirtualHost | null,
    { client, askedHost: host, port }: EgressAsk,
  ): readonly ElsewhereHint[] {
    const { elsewhere, source } = this.#context
    if (elsewhere === null || isIP(host) !== 0) return []
    const domain = known === null ? null : host
    return elsewhere.hints({
      host,
      gateways: ['mesh'],
      servers: [],
      ports: [port],
      virtualHost: known,
      domain,
      clientNamespace: client.namespace === '' ? source.settings.namespace : client.namespace,
    })
  }

  /** An address that undeclared hosts must not lead to; names are judged when they are looked up. */
  #guarded(ask: EgressAsk): ExplainedOutcome | null {
    const { askedHost: host, port } = ask
    const refusal = passesUndeclared(ask) && this.#context.source.addressRefusal?.(host, port)
    if (typeof refusal !== 'string') return null
    const reason = `egress to ${host}:${port} is refused: ${refusal}`
    const hint = 'declare the host in a ServiceEntry or allow the range with --egress-allow'
    return refused({ status: 403, flag: '', reason }, [hint])
  }

  /** A host nobody declared on this port: who declares it on another, and what is spelled alike. */
  #unknownHints(ask: EgressAsk, hiddenBy: string): readonly string[] {
    if (hiddenBy !== '') return [whyHidden(hiddenBy)]
    const { askedHost: host, port } = ask
    const tables = [...ask.tables.http, ...ask.tables.tunnels, ...ask.tables.tunnelRules]
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
    const declared = knownTunnel(ask.tables, host, port)
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
    const guarded = this.#guarded(ask)
    if (guarded !== null) return { ...found, outcome: guarded }
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

/** As sent: the request as accepted has none any more. */
function credentialsOf({ headers }: ExplainCall): string | null {
  const found = headers.find(([name]) => name.toLowerCase() === 'proxy-authorization')
  return found === undefined ? null : found[1]
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
