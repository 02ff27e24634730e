import { isIP } from 'node:net'
import { fromBytes } from '../base/latin1.ts'
import { Refusal } from '../http/refusal.ts'
import type { Request } from '../http/request.ts'
import { decideHttp, NoRoute } from '../proxy/decision.ts'
import { bridgedRequest } from '../proxy/grpc-web.ts'
import { servingChain } from '../proxy/misdirected.ts'
import { hostOf } from '../routing/host-table.ts'
import type { VirtualHost } from '../routing/virtual-host.ts'
import type { HttpServerPlan, ListenerPlan, TlsChainPlan } from '../snapshot/listener-plan.ts'
import type { CallUrl, ExplainCall } from './call.ts'
import { acceptCall, explainRequest, refusalReason } from './call-request.ts'
import { ConnectionRefusals } from './connection-refusals.ts'
import { explainDestinations } from './destination-view.ts'
import { type ExplainContext, type Finding, NOTHING } from './context.ts'
import type { ElsewhereHint, ExplainedFailure, ExplainedTls } from './explanation.ts'
import { explainListener, explainTls, listenerFor, tablesOf } from './gateway-listener.ts'
import { serversOn } from './gateway-servers.ts'
import { matchedPattern, nearestHost } from './host-pattern.ts'
import { coversHost, misdirection } from './misdirection.ts'
import { outcomeOfDestinations, outcomeOfRoute, outcomeWithoutRoute, refused } from './outcome.ts'
import { explainRoute, routeDestinations } from './route-view.ts'
import { nearestRules, ruleVerdicts } from './rule-verdicts.ts'
import { inspectToken } from './token-inspection.ts'
import { explainVirtualHost } from './virtual-host-view.ts'

/** Requests to Gateway servers. */
export class GatewayExplainer {
  readonly #context: ExplainContext
  readonly #refusals: ConnectionRefusals

  constructor(context: ExplainContext) {
    this.#context = context
    this.#refusals = new ConnectionRefusals(context)
  }

  explain(call: ExplainCall, url: CallUrl, peer: string): Finding {
    const { snapshot, bound } = this.#context.source
    const port = call.port ?? url.port
    const listener = listenerFor(snapshot, port, bound)
    if (listener === null) return this.#refusals.noListener(port, url)
    if (!this.#refusals.isBound(listener)) return this.#refusals.unbound(listener)
    const { type } = listener.accept
    if (type === 'tcp') return this.#tcp(listener)
    const secure = url.scheme === 'https' || call.sni !== null
    if (type === 'http' && secure) return this.#refusals.wrongScheme(listener, true)
    if (type === 'tls' && !secure) return this.#refusals.wrongScheme(listener, false)
    const serverName = secure ? serverNameOf(call, url) : ''
    if (listener.accept.type === 'http') {
      const tried = { http: listener.accept.http, tls: null, chain: null }
      return this.#http(call, url, { ...tried, listener, peer, serverName })
    }
    const { servers, source } = this.#context
    const chosen = explainTls(listener, serverName, servers)
    const { chain } = chosen
    const tls = { ...chosen.tls, failures: failuresOf(source, listener, serverName) }
    if (chain === null) return this.#refusals.noChain(listener, tls, serverName)
    if (chain.passesThrough || chain.opaque) return this.#bytes(listener, tls, chain)
    if (chain.tls.certificates.length === 0 && !this.#refusals.assumesSecret(tls))
      return this.#refusals.noCertificate(listener, tls, chain)
    return this.#http(call, url, { http: chain.http, tls, chain, listener, peer, serverName })
  }

  #http(call: ExplainCall, url: CallUrl, arrival: HttpArrival): Finding {
    const { listener, tls, chain, peer, serverName } = arrival
    const { servers, clusters, source } = this.#context
    const { bound, problems, snapshot } = source
    const from = {
      address: peer,
      scheme: tls === null ? ('http' as const) : ('https' as const),
      serverName: serverName === '' ? null : serverName,
    }
    const accepted = acceptCall(call, url, from, snapshot.mesh)
    const table = listener.accept.type === 'tls' ? listener.accept.chains : null
    const serving =
      table === null || chain === null || accepted instanceof Refusal
        ? chain
        : servingChain(table, chain, accepted.request.authority, (host, owner) =>
            coversHost(chain, owner, host),
          )
    const http = serving === null ? arrival.http : serving.http
    const found = { ...NOTHING, tls, listener: explainListener(listener, http, servers, bound) }
    if (accepted instanceof Refusal) {
      const refusal = { status: accepted.status, flag: 'DPE', reason: refusalReason(accepted) }
      return { ...found, outcome: refused(refusal) }
    }
    const bridges = listener.accept.type === 'http' && listener.accept.grpcWeb
    const request = bridges ? bridgedRequest(accepted.request) : accepted.request
    const misdirected = chain !== null && serving === null ? () => true : null
    const inspection = inspectToken(http, request, misdirected)
    const { authentication } = inspection
    if (inspection.refusal !== null) {
      const outcome = refused(inspection.refusal)
      return { ...found, request: explainRequest(accepted), authentication, outcome }
    }
    request.claims = inspection.claims
    const decision = decideHttp(request, http, misdirected)
    const virtualHost = http.hosts.lookup(request.authority)
    const refusedEarly = decision instanceof NoRoute && EARLY.has(decision.kind)
    const winner = decision instanceof NoRoute ? null : decision
    const routed = virtualHost !== null && (winner !== null || isNoRule(decision))
    const rules = routed ? ruleVerdicts(virtualHost, request, winner) : []
    const explained = {
      ...found,
      authentication,
      request: explainRequest(accepted),
      virtualHost: refusedEarly ? null : this.#virtualHost(http, virtualHost, request),
      rules,
      elsewhere: refusedEarly ? [] : this.#elsewhere(listener, http, virtualHost, request),
    }
    if (decision instanceof NoRoute) {
      const near = virtualHost === null ? [] : nearestRules(virtualHost, request, rules)
      const hints = isNoRule(decision) ? near : this.#hostHints(listener, http, request)
      if (decision.kind !== 'misdirected' || table === null || chain === null) {
        return { ...explained, outcome: outcomeWithoutRoute(decision, request, hints) }
      }
      const { status, flag } = decision
      const reason = misdirection(table, chain, request.authority)
      return { ...explained, outcome: refused({ status, flag, reason }, hints) }
    }
    const gatewayPort = listener.gatewayPorts[0] ?? listener.targetPort
    const destinations = routeDestinations(decision, clusters, problems)
    const outcome = outcomeOfRoute(decision, request, gatewayPort, destinations)
    const decided = { route: decision, request, accepted }
    return { ...explained, route: explainRoute(decision, request), destinations, outcome, decided }
  }

  #virtualHost(
    http: HttpServerPlan,
    virtualHost: VirtualHost | null,
    request: Request,
  ): Finding['virtualHost'] {
    if (virtualHost === null) return null
    const pattern = matchedPattern(http.hosts, hostOf(request.authority), virtualHost)
    return explainVirtualHost(virtualHost, pattern, {
      unknownHost: false,
      set: this.#context.source.set,
    })
  }

  #elsewhere(
    listener: ListenerPlan,
    http: HttpServerPlan,
    virtualHost: VirtualHost | null,
    request: Request,
  ): readonly ElsewhereHint[] {
    const { elsewhere, servers } = this.#context
    if (elsewhere === null) return []
    const host = hostOf(request.authority)
    const domain =
      virtualHost === null ? null : matchedPattern(http.hosts, host, virtualHost).pattern
    return elsewhere.hints({
      host: fromBytes(host),
      gateways: http.gateways,
      servers: serversOn(listener, http.gateways, servers),
      ports: listener.gatewayPorts,
      virtualHost,
      domain,
    })
  }

  /** Nobody here has the host: who does, and what is spelled alike. */
  #hostHints(
    listener: ListenerPlan,
    http: HttpServerPlan,
    request: Request,
  ): readonly (string | null)[] {
    const host = hostOf(request.authority)
    const patterns = http.hosts.entries.map(([pattern]) => pattern)
    const near = nearestHost(host, patterns)
    const others = this.#context.source.snapshot.listeners.flatMap((other) =>
      tablesOf(other)
        .filter((table) => table !== http && table.hosts.find(host) !== null)
        .map(
          (table) =>
            `${host} is served by ${table.name}, port ${other.gatewayPorts.join(', ')}${other === listener ? ', under another server name' : ''}`,
        ),
    )
    const none =
      patterns.length === 0
        ? 'no VirtualService has a host here: no rule applies to this server'
        : null
    return [near, ...new Set(others), none]
  }

  /** Bytes that pass through as they are, or come out of TLS. */
  #bytes(listener: ListenerPlan, tls: ExplainedTls, chain: TlsChainPlan): Finding {
    const { servers, clusters, source } = this.#context
    const listed = explainListener(listener, null, servers, source.bound)
    const found = { ...NOTHING, tls, listener: listed }
    if (chain.opaque && chain.tls.certificates.length === 0) {
      return this.#refusals.noCertificate(listener, tls, chain)
    }
    if (chain.tcp === null) {
      const rules = chain.passesThrough ? 'tls' : 'tcp'
      const reason = `no ${rules} rule of a VirtualService leads anywhere for server ${chain.name}: the connection is closed`
      return { ...found, outcome: refused({ status: 0, flag: 'NR', reason }) }
    }
    const missing = { status: 0, flag: 'NC', reason: 'there is no such host, subset or port' }
    const { destinations, cumulativeWeights } = chain.tcp
    const views = explainDestinations(destinations, cumulativeWeights, clusters, missing)
    return { ...found, destinations: views, outcome: outcomeOfDestinations('tcp', views) }
  }

  #tcp(listener: ListenerPlan): Finding {
    const { servers, clusters, source } = this.#context
    const { accept } = listener
    const written = serversOn(
      listener,
      servers.map(({ gateway }) => gateway),
      servers,
    )
    const found = { ...NOTHING, listener: explainListener(listener, null, written, source.bound) }
    if (accept.type !== 'tcp')
      return { ...found, outcome: refused({ status: 0, flag: '', reason: '' }) }
    const missing = { status: 0, flag: 'NC', reason: 'there is no such host, subset or port' }
    const { destinations, cumulativeWeights } = accept.tcp
    const views = explainDestinations(destinations, cumulativeWeights, clusters, missing)
    return { ...found, destinations: views, outcome: outcomeOfDestinations('tcp', views) }
  }
}

interface HttpArrival {
  readonly listener: ListenerPlan
  readonly http: HttpServerPlan
  readonly tls: ExplainedTls | null
  readonly chain: TlsChainPlan | null
  readonly peer: string
  readonly serverName: string
}

/** Refused before a virtual host is looked up. */
const EARLY: ReadonlySet<string> = new Set(['escaped-slashes', 'connect', 'foreign-upgrade'])

function isNoRule(decision: unknown): boolean {
  return decision instanceof NoRoute && decision.kind === 'no-rule'
}

/** As given; else the URL's host, unless that is an address (RFC 6066 3). */
function serverNameOf(call: ExplainCall, url: CallUrl): string {
  if (call.sni !== null) return call.sni.toLowerCase()
  return isIP(url.host) === 0 ? url.host : ''
}

/** Failed handshakes with this server name that are shown. */
const MAX_FAILURES = 5

/** The last handshakes of a running gateway that failed with this server name, newest first. */
function failuresOf(
  { failedHandshakes = [], bound }: ExplainContext['source'],
  { key }: ListenerPlan,
  serverName: string,
): readonly ExplainedFailure[] {
  const addresses = bound.find(({ name }) => name === key)?.addresses ?? []
  const isOurs = (one: ExplainedFailure): boolean =>
    one.listener.split(' ').some((address) => addresses.includes(address)) &&
    (one.serverName ?? '').toLowerCase() === serverName
  return failedHandshakes.filter(isOurs).slice(0, MAX_FAILURES)
}
