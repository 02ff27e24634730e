/** The name by which VirtualServices mean sidecars, and here the egress proxy. */
export const MESH = 'mesh'

/**
 * `namespace/name` of a Gateway as a VirtualService of `namespace` writes it: `name`, `ns/name`,
 * `./name`, the legacy `name.ns.svc...`; `mesh` stays.
 */
export function resolveGatewayName(written: string, namespace: string): string {
  if (written === MESH) return MESH
  const slash = written.indexOf('/')
  if (slash !== -1) {
    const owner = written.slice(0, slash)
    return `${owner === '.' ? namespace : owner}/${written.slice(slash + 1)}`
  }
  const [name = '', legacyNamespace] = written.split('.')
  return `${legacyNamespace ?? namespace}/${name}`
}
