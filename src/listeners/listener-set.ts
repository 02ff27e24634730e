import type { ProxyRuntime } from '../proxy/runtime.ts'
import type { ListenerPlan } from '../snapshot/listener-plan.ts'
import type { GatewayPlugin } from '../http/fastify-server.ts'
import type { ServerContexts } from '../tls/server-context.ts'
import { type BindAddress, formatBindAddress } from './bind-address.ts'
import type { ConnectionGate } from './connection-gate.ts'
import { HttpEngines } from './http-engines.ts'
import type { FailedHandshake } from './failed-handshakes.ts'
import {
  dispatchToListener,
  findClientOnListener,
  Listener,
  observeOnListener,
} from './listener.ts'
import type { ProxyHeaderRefusal } from './proxy-protocol.ts'

export interface ListenerSetOptions {
  readonly runtime: ProxyRuntime
  readonly contexts: ServerContexts
  /** Counts connections together with those of other listeners. */
  readonly gate: ConnectionGate
  readonly plugins: readonly GatewayPlugin[]
  /** Gateway server port -> where it binds instead (`--listen`). */
  readonly bindings: ReadonlyMap<number, BindAddress>
  onPluginError(error: unknown): void
  onHttpRefused(reason: string, remoteAddress: string): void
  onProxyHeaderRefused(listener: string, reason: ProxyHeaderRefusal, remoteAddress: string): void
  onTlsRefused(listener: string, failure: FailedHandshake): void
}

export interface BindFailure {
  readonly plan: ListenerPlan
  readonly message: string
}

/** The listeners of this process, kept in step with each snapshot. */
export class ListenerSet {
  readonly #options: ListenerSetOptions
  readonly #listeners = new Map<string, Listener>()
  readonly #draining = new Set<Listener>()

  constructor(options: ListenerSetOptions) {
    this.#options = options
  }

  get listeners(): readonly Listener[] {
    return [...this.#listeners.values()]
  }

  /**
   * Opens what is new, updates what stays, drains what is gone. A listener that changed between
   * HTTP, TLS and TCP is replaced. What cannot bind is returned; it is tried again with the next
   * snapshot.
   */
  async apply(plans: readonly ListenerPlan[], drainMs: number): Promise<readonly BindFailure[]> {
    const failures: BindFailure[] = []
    const wanted = new Map(plans.map((plan) => [plan.key, plan]))
    for (const [key, listener] of this.#listeners) {
      const plan = wanted.get(key)
      if (plan !== undefined && plan.accept.type === listener.plan.accept.type) continue
      this.#listeners.delete(key)
      this.#retire(listener, drainMs)
    }
    // What is open follows the snapshot at once; binding takes turns of the loop.
    for (const [key, listener] of this.#listeners) listener.update(wanted.get(key)!)
    for (const plan of plans) {
      if (this.#listeners.has(plan.key)) continue
      try {
        this.#listeners.set(plan.key, await this.#open(plan))
      } catch (error) {
        failures.push({ plan, message: error instanceof Error ? error.message : String(error) })
      }
    }
    return failures
  }

  async #open(plan: ListenerPlan): Promise<Listener> {
    const { runtime, contexts, plugins, onTlsRefused } = this.#options
    const engines =
      plan.accept.type === 'tcp'
        ? null
        : await HttpEngines.start({
            scheme: plan.accept.type === 'tls' ? 'https' : 'http',
            connections: () => runtime.snapshot.mesh.connections,
            plugins,
            onRequest: dispatchToListener,
            findClient: findClientOnListener,
            onPluginAnswer: observeOnListener,
            onPluginError: (error) => this.#options.onPluginError(error),
            onRefused: (reason, address) => this.#options.onHttpRefused(reason, address),
          })
    const listener = new Listener(
      plan,
      runtime,
      engines,
      {
        contexts,
        onRefused: (failure) => onTlsRefused(listener.describe(), failure),
      },
      (reason, address) => this.#options.onProxyHeaderRefused(listener.describe(), reason, address),
    )
    try {
      await listener.bind(this.#addressesOf(plan), this.#options.gate)
    } catch (error) {
      await listener.close()
      throw error
    }
    return listener
  }

  #addressesOf(plan: ListenerPlan): readonly BindAddress[] {
    const mapped = new Map<string, BindAddress>()
    for (const port of plan.gatewayPorts) {
      const address = this.#options.bindings.get(port)
      if (address !== undefined) mapped.set(formatBindAddress(address), address)
    }
    if (mapped.size > 0) return [...mapped.values()]
    return [{ host: plan.bind, port: plan.targetPort }]
  }

  #retire(listener: Listener, drainMs: number): void {
    listener.stopAccepting()
    listener.drain()
    this.#draining.add(listener)
    const timer = setTimeout(() => {
      this.#draining.delete(listener)
      void listener.close()
    }, drainMs)
    timer.unref()
  }

  stopAccepting(): void {
    for (const listener of this.#listeners.values()) listener.stopAccepting()
  }

  drain(): void {
    for (const listener of this.#listeners.values()) listener.drain()
  }

  async close(): Promise<void> {
    const all = [...this.#listeners.values(), ...this.#draining]
    this.#listeners.clear()
    this.#draining.clear()
    await Promise.all(all.map((listener) => listener.close()))
  }
}
