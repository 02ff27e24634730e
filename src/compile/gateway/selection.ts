import type { GatewaySpec } from '../../config/kinds/gateway.ts'
import type { Resource } from '../../config/resource.ts'
import type { CompileSettings } from '../compile-input.ts'
import type { Findings } from '../findings.ts'
import { formatLabels, type Labels, selects } from '../labels.ts'

/** A Gateway this process serves, and as whom. */
export interface ServedGateway {
  /** `namespace/name` */
  readonly name: string
  readonly resource: Resource<GatewaySpec>
  /** Our label sets its selector matches; without own labels, the labels its selector asks for. */
  readonly identities: readonly Labels[]
}

/** Gateways of all namespaces whose selector matches one of our label sets; the others are reported. */
export function selectGateways(
  gateways: readonly Resource<GatewaySpec>[],
  settings: CompileSettings,
  findings: Findings,
): readonly ServedGateway[] {
  const { ownLabels } = settings
  if (ownLabels.length === 0 && gateways.length > 0) {
    findings.reportGeneral(
      'info',
      'every-gateway-served',
      'no own labels are given: every Gateway is served, whatever its selector',
      'name the gateway this process stands for: --labels istio=ingressgateway',
    )
  }
  const served: ServedGateway[] = []
  for (const resource of gateways) {
    const selector = resource.spec.selector ?? {}
    const place = { resource, path: ['spec', 'selector'] }
    const name = `${resource.metadata.namespace}/${resource.metadata.name}`
    const identities =
      ownLabels.length === 0 ? [selector] : ownLabels.filter((labels) => selects(selector, labels))
    if (identities.length === 0) {
      const own = ownLabels.map(formatLabels).join(' | ')
      findings.report(
        'warning',
        'gateway-ignored',
        place,
        `gateway ignored: selector ${formatLabels(selector)} vs own labels ${own}`,
        'start with --labels that carry every label of the selector',
      )
      continue
    }
    served.push({ name, resource, identities })
  }
  return served
}
