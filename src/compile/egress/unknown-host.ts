import type { MeshConfigSpec } from '../../config/mesh-config.ts'
import type { RouteOrigin } from '../../routing/route.ts'
import type { VirtualHost } from '../../routing/virtual-host.ts'
import type { EgressPlan } from '../../snapshot/egress-plan.ts'
import { NO_RULE_SETTINGS } from '../envoy-filters-scope.ts'
import { buildVirtualHost, type FiltersFor } from '../routes/virtual-host-builder.ts'

const HTTP_PORT = 80

/** MeshConfig.outboundTrafficPolicy; a proxy that clients name has no other way than DNS anyway. */
export function egressPolicy(mesh: MeshConfigSpec): EgressPlan['policy'] {
  return mesh.outboundTrafficPolicy?.mode === 'REGISTRY_ONLY' ? 'REGISTRY_ONLY' : 'ALLOW_ANY'
}

/** Istio's virtual hosts for everything else: `allow_any` passes through, `block_all` refuses. */
export function unknownHost(policy: EgressPlan['policy'], filtersFor: FiltersFor): VirtualHost {
  const isOpen = policy === 'ALLOW_ANY'
  const name = isOpen ? 'allow_any' : 'block_all'
  const draft = {
    name,
    origin: ORIGIN,
    place: null,
    match: null,
    spec: null,
    action: isOpen ? ({ type: 'passthrough' } as const) : ({ type: 'black-hole' } as const),
    requestHeaders: null,
    responseHeaders: null,
    settings: NO_RULE_SETTINGS,
  }
  return buildVirtualHost(
    { name, domains: ['*'], drafts: [draft], httpsRedirect: false },
    {
      context: 'SIDECAR_OUTBOUND',
      gateways: [],
      portNumber: HTTP_PORT,
      routeTable: String(HTTP_PORT),
    },
    filtersFor,
  )
}

const ORIGIN: RouteOrigin = {
  kind: 'MeshConfig',
  namespace: '',
  name: '',
  path: 'outboundTrafficPolicy.mode',
  file: null,
  line: null,
}
