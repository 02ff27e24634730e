import type { HttpMatchSpec } from '../../config/kinds/virtual-service.ts'
import type { CompileSettings } from '../compile-input.ts'
import { selects } from '../labels.ts'
import { resolveGatewayName } from './gateway-names.ts'

/** For whom a VirtualService's rules are compiled. */
export interface RuleScope {
  /** `namespace/name`, or `mesh`. */
  readonly gateway: string
  /** The VirtualService's own `gateways` name it; otherwise only match.gateways can. */
  readonly listed: boolean
  /** The Gateway server's number, or the port the egress client asked for. */
  readonly port: number
}

/** The condition of a match entry that keeps it out of a scope: what configuration alone decides. */
export type ScopeMismatch = 'port' | 'gateways' | 'not-bound' | 'source'

/** Port, gateways, and what Istio calls the source (the gateway itself, never the client). */
export function scopeMismatch(
  match: HttpMatchSpec,
  namespace: string,
  scope: RuleScope,
  settings: Pick<CompileSettings, 'ownLabels' | 'namespace'>,
): ScopeMismatch | null {
  if (match.port !== undefined && match.port !== 0 && match.port !== scope.port) return 'port'
  if (match.gateways !== undefined && match.gateways.length > 0) {
    const named = match.gateways.some(
      (name) => resolveGatewayName(name, namespace) === scope.gateway,
    )
    return named ? null : 'gateways'
  }
  if (!scope.listed) return 'not-bound'
  const { ownLabels, namespace: ownNamespace } = settings
  const identities = ownLabels.length === 0 ? [{}] : ownLabels
  const { sourceLabels, sourceNamespace = '' } = match
  const isSource =
    identities.some((labels) => selects(sourceLabels, labels)) &&
    (sourceNamespace === '' || sourceNamespace === ownNamespace)
  return isSource ? null : 'source'
}
