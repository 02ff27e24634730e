import type { MeshConfigSpec } from '../config/mesh-config.ts'
import type { BindAddress } from '../listeners/bind-address.ts'
import type { RunOptions } from './run-options.ts'

/** Where the egress proxy listens: `--egress`, else MeshConfig proxyHttpPort on every address. */
export function egressAddresses(
  { egress }: Pick<RunOptions, 'egress'>,
  mesh: MeshConfigSpec,
): readonly BindAddress[] {
  if (egress.length > 0) return egress
  const port = mesh.proxyHttpPort ?? 0
  return port === 0 ? [] : [{ host: null, port }]
}
