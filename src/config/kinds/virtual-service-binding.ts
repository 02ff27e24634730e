import { isDnsLabel, isFqdn } from '../names.ts'
import type { Place } from './place.ts'
import type { VirtualServiceSpec } from './virtual-service.ts'

/** What the rules of a VirtualService need to know about its head. */
export interface Binding {
  /** True when sidecars (here: the egress proxy) apply it. */
  readonly mesh: boolean
  readonly hosts: readonly string[]
}

/** The gateways a VirtualService lists; `mesh` when it lists none. */
export function gatewaysOf(spec: VirtualServiceSpec): readonly string[] {
  const gateways = spec.gateways ?? []
  return gateways.length === 0 ? ['mesh'] : gateways
}

/** Do sidecars (here: the egress proxy) apply it? */
export function isMeshBound(spec: VirtualServiceSpec): boolean {
  return gatewaysOf(spec).includes('mesh')
}

/** `name`, `ns/name`, `./name`, `mesh`; dotted names are the form of old releases. */
export function checkGatewayName(place: Place, text: string): void {
  const parts = text.split('/')
  const [first = '', second = ''] = parts
  if (parts.length === 2) {
    if ((first === '.' || isDnsLabel(first)) && isFqdn(second)) return
  } else if (parts.length === 1) {
    if (isDnsLabel(first)) return
    if (isFqdn(first)) {
      const [name, namespace] = first.split('.')
      place.warning(
        'legacy-gateway-name',
        `using legacy gatewayName format "${text}"; prefer the <namespace>/<name> format`,
        `write ${namespace}/${name}`,
      )
      return
    }
  }
  place.error(
    'invalid-gateway-name',
    `invalid value for gateway name: "${text}"`,
    'write name, namespace/name, ./name or mesh',
  )
}
