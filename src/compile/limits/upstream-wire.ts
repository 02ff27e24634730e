import type { ConnectionLimits } from '../../clusters/plan.ts'
import { LIMIT_NAMES, type LimitFlags } from './limit-table.ts'
import { limitNumber } from './limit-values.ts'

type UpstreamWire = NonNullable<ConnectionLimits['wire']>

/** Limits of upstream connections that only `--limit` sets; null: none was given. */
export function upstreamWire(flags: LimitFlags): UpstreamWire | null {
  const given = LIMIT_NAMES.some((name) => name.startsWith('upstream-') && flags.has(name))
  if (!given) return null
  const origins = { mesh: {}, flags, compat: false }
  const common = {
    maxHeadBytes: limitNumber('upstream-head-bytes', origins),
    maxHeaderFields: limitNumber('upstream-header-fields', origins),
    maxInformational: limitNumber('upstream-informational-responses', origins),
    maxInformationalBytes: limitNumber('upstream-informational-bytes', origins),
  }
  return {
    h1: {
      ...common,
      maxChunkExtensionBytes: limitNumber('upstream-chunk-extension-bytes', origins),
    },
    h2: {
      ...common,
      streamWindowBytes: limitNumber('upstream-h2-stream-window', origins),
      connectionWindowBytes: limitNumber('upstream-h2-connection-window', origins),
      pingIntervalMs: limitNumber('upstream-h2-ping-interval', origins),
      pingTimeoutMs: limitNumber('upstream-h2-ping-timeout', origins),
    },
  }
}
