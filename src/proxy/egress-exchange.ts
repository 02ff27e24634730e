import type { DownstreamExchange } from '../http/exchange.ts'
import type { RouteOrigin } from '../routing/route.ts'
import {
  type DeclaredHost,
  type EgressClient,
  type OutboundPolicy,
  UNKNOWN_CLIENT,
} from '../snapshot/egress-control.ts'
import type { EgressPlan, EgressTables } from '../snapshot/egress-plan.ts'
import { declarationOf } from './egress-client.ts'
import type { EgressKind, EgressRecord, EgressVerdict } from './egress-record.ts'
import { ADDRESS_REFUSED, BLACK_HOLE } from './egress-refusal.ts'
import { wayOf } from './egress-way.ts'
import { Exchange } from './exchange.ts'
import type { ProxyRuntime } from './runtime.ts'
import type { TunnelWatch } from './tunnel-watch.ts'

/** Details of refusals that no policy and no report mode lifts. */
const GUARDED: ReadonlySet<string> = new Set([
  ADDRESS_REFUSED,
  'egress_port_refused',
  'egress_loop',
  'egress_server_name_refused',
])

/** An exchange on the egress proxy: it knows whose it is, and what was decided about it. */
export class EgressExchange extends Exchange implements EgressRecord {
  /** Of the generation this exchange began with. */
  readonly plan: EgressPlan
  readonly kind: EgressKind
  readonly askedHost: string
  client: EgressClient
  /** The client's. */
  tables: EgressTables
  policy: OutboundPolicy
  hiddenBy: string
  /** It got as far as the question whether somebody declares the host. */
  judged: boolean
  /** What a tunnel is kept within; null: this is none. */
  tunnelWatch: TunnelWatch | null

  constructor(runtime: ProxyRuntime, downstream: DownstreamExchange, host: string, port: number) {
    super(runtime, downstream, 'egress', port)
    this.plan = runtime.snapshot.egress
    const way = wayOf(downstream.connection)
    if (way !== null && way.kind !== 'http') this.kind = way.kind
    else this.kind = this.request.method === 'CONNECT' ? 'connect' : 'http'
    this.askedHost = host
    this.client = UNKNOWN_CLIENT
    this.tables = this.plan
    this.policy = this.plan.policy
    this.hiddenBy = ''
    this.judged = false
    this.tunnelWatch = null
  }

  get askedPort(): number {
    return this.port
  }

  get method(): string {
    return this.kind === 'http' || this.kind === 'connect' ? this.request.method : ''
  }

  get durationMs(): number {
    return this.endedMonotonicMs - this.startedMonotonicMs
  }

  get verdict(): EgressVerdict {
    if (GUARDED.has(this.details)) return 'guarded'
    if (!this.judged || this.clusterLabel === BLACK_HOLE) return 'blocked'
    if (this.declared)
      return this.route === null && this.clusterLabel === '' ? 'blocked' : 'allowed'
    return this.policy === 'REGISTRY_ONLY' ? 'would-block' : 'passthrough'
  }

  get declaration(): DeclaredHost | null {
    const { control } = this.plan
    if (control === null || !this.declared) return null
    return declarationOf(control, this.askedHost, this.port)
  }

  get rule(): RouteOrigin | null {
    if (this.route !== null) return this.route.origin
    const { declaration } = this
    return declaration === null ? null : declaration.origin
  }

  override onRequestBody(received: Buffer): void {
    const chunk = this.tunnelWatch === null ? received : this.tunnelWatch.admit(received)
    if (chunk !== null) super.onRequestBody(chunk)
  }

  override finish(): void {
    if (this.ended) return
    if (this.tunnelWatch !== null) this.tunnelWatch.close()
    super.finish()
    const observer = this.runtime.egressObserver
    if (observer !== null) observer.onEgressEnd(this)
  }
}
