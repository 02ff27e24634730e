import { hash } from 'node:crypto'
import { isIP } from 'node:net'
import type { SeenHost, SeenTraffic } from './egress-seen.ts'

const API_VERSION = 'networking.istio.io/v1'
/** A Kubernetes name that is also a label. */
const MAX_NAME = 63
const HASH_CHARACTERS = 8

/** A resource as it is written to YAML. */
export interface Written {
  readonly apiVersion: string
  readonly kind: 'ServiceEntry' | 'Sidecar'
  readonly metadata: { readonly name: string; readonly namespace: string }
  readonly spec: Readonly<Record<string, unknown>>
}

export interface Layout {
  /** The namespace the gateway stands in: what several namespaces use goes there. */
  readonly namespace: string
  /** Entries and Sidecars for each namespace that was seen. */
  readonly perNamespace: boolean
}

/** One ServiceEntry for each host, ordered by host. */
export function serviceEntries(hosts: readonly SeenHost[], layout: Layout): readonly Written[] {
  return hosts
    .toSorted((a, b) => (a.host < b.host ? -1 : 1))
    .map((seen) => ({
      apiVersion: API_VERSION,
      kind: 'ServiceEntry',
      metadata: { name: entryName(seen.host), namespace: homeOf(seen, layout) },
      spec: entrySpec(seen, layout),
    }))
}

function entrySpec(seen: SeenHost, layout: Layout): Written['spec'] {
  const { host } = seen
  const isAddress = isIP(host) !== 0
  const where = isAddress
    ? { addresses: [host], resolution: 'STATIC', endpoints: [{ address: host }] }
    : { resolution: host.startsWith('*') ? 'DYNAMIC_DNS' : 'DNS' }
  return {
    hosts: [declaredName(host)],
    ports: [...seen.ports]
      .toSorted(([a], [b]) => a - b)
      .map(([number, protocol]) => ({
        number,
        name: `${protocol.toLowerCase()}-${number}`,
        protocol,
      })),
    location: 'MESH_EXTERNAL',
    ...where,
    ...exportOf(seen, layout),
  }
}

/** Hosts of a ServiceEntry are names: an address gets one that nobody resolves. */
function declaredName(host: string): string {
  const family = isIP(host)
  if (family === 0) return host
  const text = host.replaceAll(/[.:]/g, '-')
  return `ip${family}-${text.endsWith('-') ? `${text}0` : text}.egress.invalid`
}

function entryName(host: string): string {
  const plain = declaredName(host)
    .replace(/^\*/, 'any')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/-+$/, '')
  const name = `egress-${plain}`
  // Names that are cut or that lost what tells them apart get a part of a hash.
  if (name.length <= MAX_NAME && plain.replaceAll('-', '.') === host) return name
  const digest = hash('sha256', host).slice(0, HASH_CHARACTERS)
  return `${name.slice(0, MAX_NAME - HASH_CHARACTERS - 1).replace(/-+$/, '')}-${digest}`
}

/** The namespace of a host's only users, else the gateway's. */
function homeOf({ namespaces }: SeenHost, layout: Layout): string {
  const [only = ''] = namespaces
  return layout.perNamespace && namespaces.size === 1 && only !== '' ? only : layout.namespace
}

/** The gateway itself must see an entry to serve it. */
function exportOf(seen: SeenHost, layout: Layout): { exportTo?: readonly string[] } {
  if (!layout.perNamespace || seen.namespaces.has('')) return {}
  const home = homeOf(seen, layout)
  const others = [...seen.namespaces, layout.namespace].filter((name) => name !== home)
  return { exportTo: ['.', ...new Set(others.toSorted())] }
}

/**
 * A Sidecar for each namespace that was seen, with the hosts its clients used; one in the gateway's
 * namespace for everybody else.
 */
export function sidecars(
  hosts: readonly SeenHost[],
  traffic: SeenTraffic,
  layout: Layout,
): readonly Written[] {
  const imports = new Map<string, Set<string>>([['', new Set()]])
  const add = (namespace: string, host: string): void => {
    imports.set(namespace, (imports.get(namespace) ?? new Set<string>()).add(host))
  }
  for (const seen of hosts) {
    const home = homeOf(seen, layout)
    for (const namespace of seen.namespaces) {
      add(namespace, `${home === namespace ? '.' : home}/${declaredName(seen.host)}`)
    }
  }
  for (const [namespace, names] of traffic.declared) for (const name of names) add(namespace, name)
  // Clients without a Sidecar of their own are under the root's, and so is its own namespace.
  const root = layout.namespace
  for (const host of imports.get(root) ?? []) add('', host)
  imports.delete(root)
  return [...imports]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([namespace, names]) => sidecar(namespace === '' ? root : namespace, names))
}

function sidecar(namespace: string, names: ReadonlySet<string>): Written {
  const hosts = names.size === 0 ? ['~/*'] : [...names].toSorted()
  return {
    apiVersion: API_VERSION,
    kind: 'Sidecar',
    metadata: { name: 'default', namespace },
    spec: { egress: [{ hosts }], outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } },
  }
}
