import type { BoundListener, CertificateDescription } from '../admin/admin-state.ts'
import { ClusterRules } from '../admin/cluster-rules.ts'
import { describeSnapshot } from '../admin/config-dump.ts'
import { describeResources } from '../admin/describe-resources.ts'
import type { ClusterDescription } from '../clusters/description.ts'
import { describeCertificates, NOTHING_ORDERED } from '../process/certificates.ts'
import type { LoadedConfiguration } from '../process/configuration.ts'
import { FIXED_LIMITS } from '../process/fixed-limits.ts'
import type { GatewayView, ServedResources } from './gateway-view.ts'
import { loadOffline, type OfflineOptions } from './offline-configuration.ts'
import type { ConfigDump } from './proxy-config/dump.ts'

/** Files, by the same descriptions as a running gateway's. */
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
