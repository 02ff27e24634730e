import type { CompileSettings } from '../compile/compile-input.ts'
import { formatLabels, type Labels, selects } from '../compile/labels.ts'
import type { GatewaySpec } from '../config/kinds/gateway.ts'
import type { ServiceSpec } from '../config/kinds/kubernetes.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import type { Resource } from '../config/resource.ts'
import { serviceName } from './dns-addresses.ts'

/** Services whose traffic comes to the process that serves a Gateway. */
export type GatewayServices =
  | { readonly services: readonly Resource<ServiceSpec>[] }
  | { readonly state: 'not-served' | 'no-labels' | 'no-service'; readonly reason: string }

/**
 * The Services that select the Pods a Gateway is served by. With own labels these are the Services
 * that select them, in the gateway's namespace. Without, any Service whose selector and the
 * Gateway's are met by the same Pods.
 */
export function gatewayServices(
  gateway: Resource<GatewaySpec>,
  set: ResourceSet,
  settings: CompileSettings,
): GatewayServices {
  const selector = gateway.spec.selector ?? {}
  const { ownLabels, namespace } = settings
  if (ownLabels.length === 0) return servicesBySelector(selector, set)
  const own = ownLabels.filter((labels) => selects(selector, labels))
  if (own.length === 0) {
    const has = ownLabels.map(formatLabels).join(' | ')
    const reason = `this process does not serve the Gateway: its selector is ${formatLabels(selector)}, the own labels are ${has}`
    return { state: 'not-served', reason }
  }
  const found = set.services.filter(({ spec }) => own.some((labels) => selectsPods(spec, labels)))
  const here = found.filter(({ metadata }) => metadata.namespace === namespace)
  if (here.length > 0) return { services: here }
  const labels = own.map(formatLabels).join(' | ')
  const [elsewhere] = found
  const reason =
    elsewhere === undefined
      ? `no Service selects the labels ${labels}`
      : `${serviceName(elsewhere)} selects the labels ${labels}, but a Service selects Pods of its own namespace only and the gateway stands in ${namespace}: give --namespace ${elsewhere.metadata.namespace} if it stands there`
  return { state: 'no-service', reason }
}

function servicesBySelector(selector: Labels, set: ResourceSet): GatewayServices {
  if (Object.keys(selector).length === 0) {
    const reason =
      'the Gateway has no selector and no own labels are given, so nothing says which Service leads here: give --labels'
    return { state: 'no-labels', reason }
  }
  const pods = set.pods.filter(({ metadata }) => selects(selector, metadata.labels))
  const services = set.services.filter((service) => meets(service, selector, pods))
  if (services.length > 0) return { services }
  const reason = `no Service selects Pods with the labels ${formatLabels(selector)}`
  return { state: 'no-service', reason }
}

/** Do all Pods of the Service serve the Gateway, or does it select one of those that do? */
function meets(
  service: Resource<ServiceSpec>,
  gateway: Labels,
  pods: readonly Resource<unknown>[],
): boolean {
  const { selector = {} } = service.spec
  if (Object.keys(selector).length === 0) return false
  if (selects(gateway, selector) || selects(selector, gateway)) return true
  return pods.some(
    ({ metadata }) =>
      metadata.namespace === service.metadata.namespace && selects(selector, metadata.labels),
  )
}

/** A Service without selector selects nothing. */
function selectsPods({ selector = {} }: ServiceSpec, labels: Labels): boolean {
  return Object.keys(selector).length > 0 && selects(selector, labels)
}
