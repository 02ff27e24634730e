import type { Socket } from 'node:net'
import { MAX_TIMER_MS } from '../base/deadlines.ts'
import type { ConnectionBudget } from './connection-budget.ts'
import { Dial, type DialListener, type DialTarget } from './dial.ts'
import type { UpstreamFailure } from './failure.ts'
import { TunnelConnection } from './h1-tunnel.ts'
import { countDialFailure, type PoolOwner } from './pool.ts'
import type { AttemptObserver, UpstreamHandler } from './transport.ts'

/** Who decides about a tunnel's dial where several race for one attempt. */
export interface TunnelGate {
  onTunnelConnected(tunnel: TunnelAttempt): void
  onTunnelFailed(tunnel: TunnelAttempt, failure: UpstreamFailure): void
}

/**
 * A raw tunnel from its dial to its end: counts as one connection of the cluster all the while.
 * Create one only when the budget has room.
 */
export class TunnelAttempt implements DialListener, AttemptObserver {
  /** `address:port` of the endpoint. */
  readonly remote: string
  readonly #handler: UpstreamHandler
  readonly #owner: PoolOwner
  readonly #budget: ConnectionBudget
  readonly #gate: TunnelGate | null
  readonly #dial: Dial
  #tunnel: TunnelConnection | null
  #ageTimer: NodeJS.Timeout | null
  #over: boolean

  constructor(init: {
    target: DialTarget
    handler: UpstreamHandler
    owner: PoolOwner & { readonly key: string }
    budget: ConnectionBudget
    gate: TunnelGate | null
  }) {
    const { owner, budget } = init
    this.remote = owner.key
    this.#handler = init.handler
    this.#owner = owner
    this.#budget = budget
    this.#gate = init.gate
    this.#tunnel = null
    this.#ageTimer = null
    this.#over = false
    budget.occupy()
    owner.connections++
    owner.connectionsTotal++
    this.#dial = new Dial(init.target, budget.limits, this, budget.reserve)
  }

  abort(): void {
    if (this.#tunnel !== null) {
      this.#tunnel.abort()
      return
    }
    this.#dial.abort()
    this.#release()
  }

  onDialConnected(socket: Socket, { target }: Dial): void {
    if (this.#gate !== null) this.#gate.onTunnelConnected(this)
    const { tcpIdleTimeoutMs, maxConnectionDurationMs = 0 } = this.#budget.limits
    // An IPv4 address is written in one way only.
    const remote = target.ipVersion === 4 ? this.remote : null
    this.#tunnel = new TunnelConnection(socket, tcpIdleTimeoutMs, this.#handler, this, remote)
    this.#tunnel.start()
    if (maxConnectionDurationMs > 0 && !this.#over) {
      this.#ageTimer = setTimeout(expire, Math.min(maxConnectionDurationMs, MAX_TIMER_MS), this)
      this.#ageTimer.unref()
    }
  }

  /** connectionPool.tcp.maxConnectionDuration passed. */
  expire(): void {
    this.#budget.counters.cxMaxDurationReached++
    this.#tunnel?.expire()
  }

  onDialFailed(failure: UpstreamFailure): void {
    countDialFailure(failure, this.#owner, this.#budget.counters)
    this.#release()
    if (this.#gate === null) this.#handler.onUpstreamFailure(failure)
    else this.#gate.onTunnelFailed(this, failure)
  }

  onAttemptStart(): void {
    this.#owner.onAttemptStart()
  }

  onAttemptStatus(status: number): void {
    this.#owner.onAttemptStatus(status)
  }

  onAttemptFailure(failure: UpstreamFailure): void {
    this.#owner.onAttemptFailure(failure)
  }

  onAttemptEnd(): void {
    this.#owner.onAttemptEnd()
    this.#release()
  }

  #release(): void {
    if (this.#over) return
    this.#over = true
    if (this.#ageTimer !== null) clearTimeout(this.#ageTimer)
    this.#owner.connections--
    this.#budget.release()
  }
}

function expire(tunnel: TunnelAttempt): void {
  tunnel.expire()
}
