import type { StallingBackend } from './stalling-backend.ts'
import type { TestGateway } from './gateway.ts'

/** What is open or running in this process on behalf of exchanges. */
export interface Leftovers {
  readonly exchanges: number
  readonly clientConnections: number
  /** Requests that clusters count as running. */
  readonly upstreamRequests: number
  /** Connections to backends that are not idle. */
  readonly backendConnections: number
  readonly timers: number
}

/** Idle connections a pool may keep are no leftovers: `idle` says how many there may be. */
export function countLeftovers(
  gateway: TestGateway,
  backend: StallingBackend,
  idle: number,
): Leftovers {
  const endpoints = gateway.gateway.describeClusters().flatMap(({ endpoints: each }) => each)
  return {
    exchanges: gateway.gateway.activeExchanges,
    clientConnections: gateway.gateway.boundListeners.reduce(
      (sum, each) => sum + each.connections,
      0,
    ),
    upstreamRequests: endpoints.reduce((sum, each) => sum + each.activeRequests, 0),
    backendConnections: Math.max(0, backend.sockets.size - idle),
    timers: process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length,
  }
}

/** Nothing but what was there before. */
export function isClean(left: Leftovers, before: Leftovers): boolean {
  const { exchanges, clientConnections, upstreamRequests, backendConnections, timers } = left
  const open = exchanges + clientConnections + upstreamRequests + backendConnections
  return open === 0 && timers <= before.timers
}
