import { any, ignored, type Infer, integer, list, object, oneOf, string } from '../schema.ts'
import { destination, workloadSelector } from './istio-common.ts'

const NO_SOCKET =
  'nothing listens on an address of the client: hosts of an entry with bind are visible on every port'

export const sidecarSchema = object({
  workloadSelector,
  ingress: ignored(list(any), 'the inbound side of a sidecar does not exist at an edge'),
  egress: list(
    object({
      port: object({
        number: integer,
        protocol: string,
        name: string,
        targetPort: ignored(integer, 'Istio ignores it too: the port is the one clients ask for'),
      }),
      bind: ignored(string, NO_SOCKET),
      captureMode: oneOf('DEFAULT', 'IPTABLES', 'NONE'),
      hosts: list(string),
    }),
  ),
  inboundConnectionPool: ignored(any, 'the inbound side of a sidecar does not exist at an edge'),
  outboundTrafficPolicy: object({
    mode: oneOf('REGISTRY_ONLY', 'ALLOW_ANY', 'ALLOW_ANY_DYNAMIC_DNS'),
    egressProxy: ignored(destination, 'unmatched traffic of one client goes nowhere else'),
  }),
})

export type SidecarSpec = Infer<typeof sidecarSchema>
