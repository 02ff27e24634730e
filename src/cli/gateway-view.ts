import type { BoundListener, CertificateDescription } from '../admin/admin-state.ts'
import { ClusterRules } from '../admin/cluster-rules.ts'
import { describeSnapshot } from '../admin/config-dump.ts'
import { describeResources, type ResourceDescription } from '../admin/describe-resources.ts'
import type { ClusterDescription } from '../clusters/description.ts'
import type { BindAddress } from '../listeners/bind-address.ts'
import { describeCertificates, NOTHING_ORDERED } from '../process/certificates.ts'
import type { LoadedConfiguration } from '../process/configuration.ts'
import { FIXED_LIMITS } from '../process/fixed-limits.ts'
import { adminJson } from './admin-call.ts'
import { loadOffline, type OfflineOptions } from './offline-configuration.ts'
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

/** By the same descriptions, of files. */
export class OfflineView implements GatewayView {
  readonly live = false
  readonly #loaded: LoadedConfiguration

  constructor(loaded: LoadedConfiguration) {
    this.#loaded = loaded
  }

  static async read(paths: readonly string[], options: OfflineOptions): Promise<OfflineView> {
    return new OfflineView(await loadOffline(paths, '-c, --config', options))
  }

  async configDump(): Promise<ConfigDump> {
    const { snapshot } = this.#loaded
    const around = { fixedLimits: FIXED_LIMITS, clusterRules: new ClusterRules(this.#loaded) }
    // The very object that the admin API writes as JSON.
    return describeSnapshot(snapshot, null, around) as unknown as ConfigDump
  }

  async listeners(): Promise<readonly BoundListener[]> {
    return []
  }

  async clusters(): Promise<readonly ClusterDescription[]> {
    return []
  }

  async certificates(): Promise<readonly CertificateDescription[]> {
    return describeCertificates(this.#loaded.snapshot, NOTHING_ORDERED)
  }

  async resources(kind: string): Promise<ServedResources> {
    const { snapshot, set, problems } = this.#loaded
    return {
      generation: snapshot.generation,
      resources: describeResources(set, problems, kind),
    }
  }
}
