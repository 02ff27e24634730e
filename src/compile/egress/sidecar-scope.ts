import type { SidecarSpec } from '../../config/kinds/sidecar.ts'
import { hostCovers } from '../../config/hosts.ts'
import { splitNamespacedHost } from '../../config/names.ts'
import type { Resource } from '../../config/resource.ts'
import type { EgressScope, OutboundPolicy } from '../../snapshot/egress-control.ts'

/** Answers kept for one scope; hosts that resources declare are not more than this in sane meshes. */
const MAX_REMEMBERED = 10_000

/** Key of the entries for every port that has none of its own. */
const ANY_PORT = 0

type EgressEntry = NonNullable<SidecarSpec['egress']>[number]

interface HostPattern {
  /** `*`: any. */
  readonly namespace: string
  readonly host: string
}

/**
 * The hosts that one Sidecar imports: `namespace/host` with `.` for its own namespace, `*` for any,
 * `~` for none, and `~namespace/host` to take out again what other entries let in. Entries with a
 * port are all that is visible on it, those without are for every other port.
 */
export class SidecarScope implements EgressScope {
  readonly name: string
  readonly policy: OutboundPolicy | null
  readonly #byPort = new Map<number, Imports>()
  readonly #remembered = new Map<string, boolean>()

  constructor(sidecar: Resource<SidecarSpec>) {
    const { namespace, name } = sidecar.metadata
    const { egress, outboundTrafficPolicy } = sidecar.spec
    this.name = `${namespace}/${name}`
    this.policy = outboundTrafficPolicy === undefined ? null : policyOf(outboundTrafficPolicy.mode)
    // Without egress everything is imported, as by `*/*`.
    const written: readonly (readonly [port: number, hosts: readonly string[]])[] =
      egress === undefined || egress.length === 0
        ? [[ANY_PORT, ['*/*']]]
        : egress.map((entry) => [askedPortOf(entry), entry.hosts ?? []])
    for (const [port, hosts] of written) {
      const imports = this.#byPort.get(port) ?? new Imports()
      this.#byPort.set(port, imports)
      for (const text of hosts) imports.add(text, namespace)
    }
  }

  sees(namespace: string, host: string, port: number): boolean {
    const listener = this.#byPort.has(port) ? port : ANY_PORT
    const key = `${listener} ${namespace}/${host}`
    const known = this.#remembered.get(key)
    if (known !== undefined) return known
    const seen = this.#byPort.get(listener)?.cover(namespace, host) ?? false
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear()
    this.#remembered.set(key, seen)
    return seen
  }
}

/** What the entries of one port list. */
class Imports {
  readonly #imports: HostPattern[] = []
  readonly #exclusions: HostPattern[] = []

  /** `text`: `namespace/host` of a Sidecar in namespace `home`. */
  add(text: string, home: string): void {
    const { namespace: from, host } = splitNamespacedHost(text)
    if (from === null || from === '~') return
    const excluded = from.startsWith('~')
    const bare = excluded ? from.slice(1) : from
    const pattern = { namespace: bare === '.' ? home : bare, host }
    if (excluded) this.#exclusions.push(pattern)
    else this.#imports.push(pattern)
  }

  cover(namespace: string, host: string): boolean {
    const covers = (pattern: HostPattern): boolean =>
      (pattern.namespace === '*' || pattern.namespace === namespace) &&
      hostCovers(pattern.host, host)
    return this.#imports.some(covers) && !this.#exclusions.some(covers)
  }
}

/**
 * The port whose traffic an entry is for. One that a client connects to (bind, captureMode NONE, an
 * HTTP proxy) is not the port that is asked for here: such an entry says what is visible on any.
 */
function askedPortOf({ port, bind = '', captureMode }: EgressEntry): number {
  if (port === undefined || bind !== '' || captureMode === 'NONE') return ANY_PORT
  return port.protocol?.toUpperCase() === 'HTTP_PROXY' ? ANY_PORT : (port.number ?? ANY_PORT)
}

/** A block without mode is REGISTRY_ONLY, whatever the mesh says: 0 of the enum, as in Istio. */
function policyOf(mode: string | undefined): OutboundPolicy {
  return mode === 'ALLOW_ANY' ? 'ALLOW_ANY' : 'REGISTRY_ONLY'
}
