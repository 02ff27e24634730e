import type { SidecarSpec } from '../../config/kinds/sidecar.ts'
import { hostCovers } from '../../config/hosts.ts'
import { splitNamespacedHost } from '../../config/names.ts'
import type { Resource } from '../../config/resource.ts'
import type { EgressScope, OutboundPolicy } from '../../snapshot/egress-control.ts'

/** Answers kept for one scope; hosts that resources declare are not more than this in sane meshes. */
const MAX_REMEMBERED = 10_000

interface HostPattern {
  /** `*`: any. */
  readonly namespace: string
  readonly host: string
}

/**
 * The hosts that one Sidecar imports: `namespace/host` with `.` for its own namespace, `*` for any,
 * `~` for none, and `~namespace/host` to take out again what other entries let in.
 */
export class SidecarScope implements EgressScope {
  readonly name: string
  readonly policy: OutboundPolicy | null
  readonly #imports: readonly HostPattern[]
  readonly #exclusions: readonly HostPattern[]
  readonly #remembered = new Map<string, boolean>()

  constructor(sidecar: Resource<SidecarSpec>) {
    const { namespace, name } = sidecar.metadata
    const { egress, outboundTrafficPolicy } = sidecar.spec
    this.name = `${namespace}/${name}`
    this.policy = outboundTrafficPolicy === undefined ? null : policyOf(outboundTrafficPolicy.mode)
    // Without egress everything is imported, as by `*/*`.
    const written = egress === undefined || egress.length === 0 ? ['*/*'] : hostsOf(egress)
    const imports: HostPattern[] = []
    const exclusions: HostPattern[] = []
    for (const text of written) {
      const { namespace: from, host } = splitNamespacedHost(text)
      if (from === null || from === '~') continue
      const excluded = from.startsWith('~')
      const bare = excluded ? from.slice(1) : from
      const pattern = { namespace: bare === '.' ? namespace : bare, host }
      if (excluded) exclusions.push(pattern)
      else imports.push(pattern)
    }
    this.#imports = imports
    this.#exclusions = exclusions
  }

  sees(namespace: string, host: string): boolean {
    const key = `${namespace}/${host}`
    const known = this.#remembered.get(key)
    if (known !== undefined) return known
    const covers = (pattern: HostPattern): boolean =>
      (pattern.namespace === '*' || pattern.namespace === namespace) &&
      hostCovers(pattern.host, host)
    const seen = this.#imports.some(covers) && !this.#exclusions.some(covers)
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear()
    this.#remembered.set(key, seen)
    return seen
  }
}

function hostsOf(egress: NonNullable<SidecarSpec['egress']>): readonly string[] {
  return egress.flatMap(({ hosts = [] }) => hosts)
}

/** A block without mode is REGISTRY_ONLY, whatever the mesh says: 0 of the enum, as in Istio. */
function policyOf(mode: string | undefined): OutboundPolicy {
  return mode === 'ALLOW_ANY' ? 'ALLOW_ANY' : 'REGISTRY_ONLY'
}
