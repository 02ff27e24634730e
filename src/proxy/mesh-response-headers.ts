import type { Headers } from '../http/headers.ts'

/** What proxies inside the mesh tell each other in answers; Istio's gateways take it out as well. */
const MESH_ONLY: ReadonlySet<string> = new Set([
  'x-envoy-decorator-operation',
  'x-envoy-peer-metadata',
  'x-envoy-peer-metadata-id',
])

/** Nobody outside learns names and workloads of the inside from an upstream's answer. */
export function dropMeshHeaders(headers: Headers): void {
  const fields = headers.fields
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!
    if (name.charCodeAt(0) !== 120 || !MESH_ONLY.has(name)) continue
    headers.remove(name)
    i -= 2
  }
}
