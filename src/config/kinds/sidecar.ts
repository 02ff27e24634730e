import { any, ignored, type Infer, list, object, oneOf, string } from '../schema.ts'
import { destination, port, workloadSelector } from './istio-common.ts'

const PER_CLIENT = 'the egress proxy does not scope hosts per client'

export const sidecarSchema = object({
  workloadSelector: ignored(workloadSelector, PER_CLIENT),
  ingress: ignored(list(any), 'the inbound side of a sidecar does not exist at an edge'),
  egress: ignored(
    list(
      object({
        port,
        bind: string,
        captureMode: oneOf('DEFAULT', 'IPTABLES', 'NONE'),
        hosts: list(string),
      }),
    ),
    PER_CLIENT,
  ),
  inboundConnectionPool: ignored(any, 'the inbound side of a sidecar does not exist at an edge'),
  outboundTrafficPolicy: ignored(
    object({
      mode: oneOf('REGISTRY_ONLY', 'ALLOW_ANY', 'ALLOW_ANY_DYNAMIC_DNS'),
      egressProxy: destination,
    }),
    PER_CLIENT,
  ),
})

export type SidecarSpec = Infer<typeof sidecarSchema>
