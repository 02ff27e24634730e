import { deadlines } from '../../src/base/deadlines.ts'
import { pausedReads } from '../../src/http/paused-reads.ts'
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
  /** Timers that keep the process alive. */
  readonly timers: number
  /** Times that run for connections from clients, and for dials and tunnels to backends. */
  readonly deadlines: number
  /** Sockets that are not read. */
  readonly pausedReads: number
}

/** Idle connections a pool may keep are no leftovers: `idle` says how many there may be. */
export function countLeftovers(
  gateway: TestGateway,
  backend: StallingBackend,
  idle: number,
): Leftovers {
  const endpoints = gateway.gateway.describeClusters().flatMap(({ endpoints: each }) => each)
  const listeners = gateway.gateway.boundListeners
  return {
    exchanges: gateway.gateway.activeExchanges,
    clientConnections: listeners.reduce((sum, each) => sum + each.connections, 0),
    upstreamRequests: endpoints.reduce((sum, each) => sum + each.activeRequests, 0),
    backendConnections: Math.max(0, backend.sockets.size - idle),
    timers: process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length,
    deadlines: listeners.reduce((sum, each) => sum + each.runningDeadlines, deadlines.size),
    pausedReads: pausedReads.size,
  }
}

/** Nothing but what was there before. */
export function isClean(left: Leftovers, before: Leftovers): boolean {
  const { exchanges, clientConnections, upstreamRequests, backendConnections, timers } = left
  const open = exchanges + clientConnections + upstreamRequests + backendConnections
  const waits = left.deadlines + left.pausedReads
  return open === 0 && timers <= before.timers && waits <= before.deadlines + before.pausedReads
}
