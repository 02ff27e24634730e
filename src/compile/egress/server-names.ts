import { HostTable } from '../../routing/host-table.ts'
import type { MeshService } from '../registry/mesh-service.ts'

/** The TLS server names that tunnels to this service may carry besides its own; null: any. */
export function allowedNames(service: MeshService): HostTable<string> | null {
  const names = service.serverNames ?? null
  return names === null ? null : new HostTable(names.map((name) => [name, name]))
}
