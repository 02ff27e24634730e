import type { H1Settings } from './h1-settings.ts'
import type { H2ConnectionSettings } from './h2-connection-settings.ts'

/** What differs from the defaults of connections of either kind. */
export interface UpstreamWire {
  readonly h1: Partial<H1Settings>
  readonly h2: Partial<H2ConnectionSettings>
}
