import type { VirtualHost } from '../../routing/virtual-host.ts'
import type { RouteDraft } from '../routes/route-draft.ts'

/**
 * Virtual hosts by the drafts they were made of: while those are taken over, so are these. Only for
 * hosts without filters, which depend on more.
 */
export class KeptHosts {
  readonly #made = new WeakMap<readonly RouteDraft[], Map<string, VirtualHost>>()

  /** `identity`: all that tells two virtual hosts with the same drafts apart. */
  find(drafts: readonly RouteDraft[], identity: string): VirtualHost | null {
    return this.#made.get(drafts)?.get(identity) ?? null
  }

  add(drafts: readonly RouteDraft[], identity: string, host: VirtualHost): void {
    const present = this.#made.get(drafts)
    if (present === undefined) this.#made.set(drafts, new Map([[identity, host]]))
    else present.set(identity, host)
  }
}
