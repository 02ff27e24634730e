/** Namespace whose services a bare short name means when several namespaces have it. */
const DEFAULT_NAMESPACE = 'default'

/**
 * The names by which clients mean a cluster-local host: `web.default.svc.cluster.local` is also
 * `web.default.svc`, `web.default`, and `web` when only one namespace has a `web`, or else that of
 * namespace `default`. (A sidecar knows its client's namespace; one proxy for all Pods does not.)
 */
export class HostNames {
  readonly #domain: string
  readonly #shortOwners = new Map<string, string>()

  constructor(hosts: Iterable<string>, domain: string) {
    this.#domain = domain
    const namespaces = new Map<string, Set<string>>()
    for (const host of hosts) {
      const parts = this.#parse(host)
      if (parts === null) continue
      const known = namespaces.get(parts.name) ?? new Set()
      namespaces.set(parts.name, known.add(parts.namespace))
    }
    for (const [name, known] of namespaces) {
      const [only = ''] = known
      const owner = known.size === 1 ? only : DEFAULT_NAMESPACE
      if (known.has(owner)) this.#shortOwners.set(name, owner)
    }
  }

  /** Without `host` itself. */
  aliases(host: string): readonly string[] {
    const parts = this.#parse(host)
    if (parts === null) return []
    const { name, namespace } = parts
    const dotted = [`${name}.${namespace}.svc`, `${name}.${namespace}`]
    return this.#shortOwners.get(name) === namespace ? [...dotted, name] : dotted
  }

  #parse(host: string): { readonly name: string; readonly namespace: string } | null {
    const suffix = `.svc.${this.#domain}`
    if (!host.endsWith(suffix) || host.startsWith('*')) return null
    const [name = '', namespace = '', ...others] = host.slice(0, -suffix.length).split('.')
    return name === '' || namespace === '' || others.length > 0 ? null : { name, namespace }
  }
}
