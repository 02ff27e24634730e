import { exportToOf, whyHidden } from '../base/hidden-by.ts'
import { Headers } from '../http/headers.ts'
import type { VirtualHost } from '../routing/virtual-host.ts'
import { declarationOf, identifyClient } from './egress-client.ts'
import type { EgressClient, OutboundPolicy } from '../snapshot/egress-control.ts'
import type { EgressPlan, EgressTables } from '../snapshot/egress-plan.ts'
import { knownHost, type KnownTunnel } from './egress-decision.ts'
import type { EgressExchange } from './egress-exchange.ts'
import { BLACK_HOLE } from './egress-refusal.ts'
import { sendLocalReply } from './local-reply.ts'

const CHALLENGE = 'Basic realm="tidegate egress", charset="UTF-8"'

/** Finds out who asks and what policy that client is under. False: it is answered already. */
export function admitClient(exchange: EgressExchange, credentials: string | null): boolean {
  const { control } = exchange.plan
  exchange.judged = true
  if (control === null) return true
  const client = identifyClient(control, exchange.connection, credentials)
  if (client === null) {
    refuseClient(exchange, control.users !== null)
    return false
  }
  exchange.client = client
  exchange.policy = policyFor(exchange.plan, client)
  exchange.tables = tablesFor(exchange.plan, client)
  return true
}

/** What is declared, as the namespace of this client sees it. */
export function tablesFor(plan: EgressPlan, { namespace }: EgressClient): EgressTables {
  const { control } = plan
  if (control === null || control.tables === null || namespace === '') return plan
  return control.tables.get(namespace) ?? control.tables.get('') ?? plan
}

export function policyFor(plan: EgressPlan, { scope }: EgressClient): OutboundPolicy {
  return scope === null || scope.policy === null ? plan.policy : scope.policy
}

/** 407 where credentials would help, 403 where only an address or a certificate does. */
function refuseClient(exchange: EgressExchange, asksForCredentials: boolean): void {
  exchange.clusterLabel = BLACK_HOLE
  const headers = new Headers()
  if (asksForCredentials) headers.add('proxy-authenticate', CHALLENGE)
  const body = asksForCredentials
    ? 'egress needs a known user: send Proxy-Authorization: Basic, as http_proxy=http://USER:PASSWORD@... does\n'
    : `egress is refused: nothing tells which workload ${exchange.connection.remoteAddress} is\n`
  sendLocalReply(
    exchange,
    asksForCredentials ? 407 : 403,
    headers,
    body,
    '',
    'egress_client_unknown',
  )
}

/** Who asks for what: an exchange is one. */
export interface EgressAsk {
  readonly plan: EgressPlan
  readonly client: EgressClient
  /** The client's. */
  readonly tables: EgressTables
  /** The client's: its Sidecar's, else the mesh's. */
  readonly policy: OutboundPolicy
  readonly askedHost: string
  readonly port: number
}

/** Undeclared hosts pass: by the client's policy, or because refusals are only reported. */
export function passesUndeclared({ plan, policy }: EgressAsk): boolean {
  const { control } = plan
  return policy === 'ALLOW_ANY' || (control !== null && control.reportOnly)
}

export function undeclaredHost(ask: EgressAsk): VirtualHost {
  const { control, unknownHost } = ask.plan
  if (control === null) return unknownHost
  return passesUndeclared(ask) ? control.allowAny : control.blockAll
}

/** Whether anything may hide a declared host from this client. */
function mayHide({ plan: { control }, client }: EgressAsk): boolean {
  return control !== null && (client.scope !== null || control.hasAudiences)
}

/**
 * What hides the declaration of the asked host from this client: exportTo of its resource (as
 * `exportToOf` writes it), the Sidecar that does not import it, or ''. `found` is its virtual host,
 * which tells the namespace of a host that only a VirtualService names.
 */
export function hidingRule(ask: EgressAsk, found: VirtualHost | null): string {
  const { control } = ask.plan
  const { scope, namespace } = ask.client
  if (control === null || !mayHide(ask)) return ''
  const declared = declarationOf(control, ask.askedHost, ask.port)
  if (declared !== null) {
    const { audience } = declared
    const home = namespace === '' ? control.namespace : namespace
    if (audience !== null && !audience.has(home)) return exportToOf(declared.origin)
    if (scope === null) return ''
    return scope.sees(declared.namespace, declared.host, ask.port) ? '' : scope.name
  }
  const route = found === null ? undefined : found.routes[0]
  if (route === undefined || scope === null) return ''
  return scope.sees(route.origin.namespace, ask.askedHost, ask.port) ? '' : scope.name
}

/** The VirtualService that declares the asked host to others than this client, or ''. */
export function hidingExport({ plan, tables, askedHost, port }: EgressAsk): string {
  const found = tables === plan ? null : knownHost(plan, askedHost, port)
  const route = found === null ? undefined : found.routes[0]
  if (route === undefined || route.origin.kind !== 'VirtualService') return ''
  return exportToOf(route.origin)
}

/** The virtual host unless something hides it from the client: then nobody declares it. */
export function visibleHost(
  exchange: EgressExchange,
  found: VirtualHost | null,
): VirtualHost | null {
  if (found === null) {
    exchange.hiddenBy = hidingExport(exchange)
    return null
  }
  if (!mayHide(exchange)) return found
  exchange.hiddenBy = hidingRule(exchange, found)
  return exchange.hiddenBy === '' ? found : null
}

export function visibleTunnel(
  exchange: EgressExchange,
  found: KnownTunnel | null,
): KnownTunnel | null {
  if (found === null || !mayHide(exchange)) return found
  exchange.hiddenBy = hidingRule(exchange, null)
  return exchange.hiddenBy === '' ? found : null
}

/** 403 for a host that exists, but not for this client. False: it may pass. */
export function refuseHidden(exchange: EgressExchange): boolean {
  if (exchange.hiddenBy === '' || passesUndeclared(exchange)) return false
  exchange.clusterLabel = BLACK_HOLE
  const body =
    `egress to ${exchange.askedHost}:${exchange.port} is blocked: ${whyHidden(exchange.hiddenBy)}, ` +
    'and its policy is REGISTRY_ONLY\n'
  sendLocalReply(exchange, 403, new Headers(), body, '', 'egress_not_visible')
  return true
}
