import type { BoundListener, CertificateDescription } from '../admin/admin-state.ts'
import type { ResourceDescription } from '../admin/describe-resources.ts'
import type { ClusterDescription } from '../clusters/description.ts'
import type { BindAddress } from '../listeners/bind-address.ts'
import { adminJson } from './admin-call.ts'
import type { ConfigDump } from './proxy-config/dump.ts'

/** What `proxy-config` and `get` show: a running gateway, or files compiled as it would. */
export interface GatewayView {
  /** Sockets and health are those of a running gateway. */
  readonly live: boolean
  configDump(): Promise<ConfigDump>
  /** Bound sockets; empty for files. */
  listeners(): Promise<readonly BoundListener[]>
  /** Runtime state of clusters; empty for files. */
  clusters(): Promise<readonly ClusterDescription[]>
  certificates(): Promise<readonly CertificateDescription[]>
  resources(kind: string): Promise<ServedResources>
}

export interface ServedResources {
  readonly generation: number
  readonly resources: readonly ResourceDescription[]
}

/** By the admin API. */
export class LiveView implements GatewayView {
  readonly live = true
  readonly #admin: BindAddress

  constructor(admin: BindAddress) {
    this.#admin = admin
  }

  configDump(): Promise<ConfigDump> {
    return adminJson(this.#admin, '/config_dump')
  }

  async listeners(): Promise<readonly BoundListener[]> {
    const path = '/listeners?format=json'
    return (await adminJson<{ listeners: readonly BoundListener[] }>(this.#admin, path)).listeners
  }

  async clusters(): Promise<readonly ClusterDescription[]> {
    const path = '/clusters?format=json'
    return (await adminJson<{ clusters: readonly ClusterDescription[] }>(this.#admin, path))
      .clusters
  }

  async certificates(): Promise<readonly CertificateDescription[]> {
    type Answer = { certificates: readonly CertificateDescription[] }
    return (await adminJson<Answer>(this.#admin, '/certs')).certificates
  }

  resources(kind: string): Promise<ServedResources> {
    return adminJson(this.#admin, `/resources?kind=${encodeURIComponent(kind)}`)
  }
}
