import type { Now } from '../base/clock.ts'
import type { FileReserve } from '../base/file-reserve.ts'
import type { Random } from '../base/random.ts'
import type { UpstreamContexts } from '../tls/upstream-context.ts'
import type { Resolver } from '../upstream/resolver.ts'
import type { ClusterEvent } from './description.ts'
import type { ProbeSlots } from './health/probe-slots.ts'

/** What clusters of one process share. */
export interface ClusterEnvironment {
  readonly resolver: Resolver
  readonly contexts: UpstreamContexts
  readonly log: (event: ClusterEvent) => void
  readonly now?: Now
  readonly random?: Random
  /** Bounds the health checks of all clusters together. */
  readonly probeSlots?: ProbeSlots
  /** Open files that connections leave alone, those of health checks aside; absent: they take any. */
  readonly reserve?: FileReserve | null
}
