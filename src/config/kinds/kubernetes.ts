import { boolean, type Infer, integer, intOrString, list, map, object, string } from '../schema.ts'

/**
 * The parts of Kubernetes' own kinds that the gateway reads. They are checked leniently: fields not
 * listed are other people's business and pass without a word.
 */
export const serviceSchema = object({
  selector: map(string),
  type: string,
  clusterIP: string,
  clusterIPs: list(string),
  externalName: string,
  externalIPs: list(string),
  trafficDistribution: string,
  ports: list(
    object({
      name: string,
      port: integer,
      targetPort: intOrString,
      protocol: string,
      appProtocol: string,
      nodePort: integer,
    }),
  ),
})
export type ServiceSpec = Infer<typeof serviceSchema>

/** What the cluster says of a Service: the addresses a load balancer gave it. */
export const serviceStatusSchema = object({
  loadBalancer: object({ ingress: list(object({ ip: string, hostname: string })) }),
})
export type ServiceStatus = Infer<typeof serviceStatusSchema>

export const podSchema = object({
  spec: object({
    containers: list(
      object({
        name: string,
        ports: list(object({ name: string, containerPort: integer, protocol: string })),
      }),
    ),
    nodeName: string,
    serviceAccountName: string,
    hostNetwork: boolean,
  }),
  status: object({
    podIP: string,
    podIPs: list(object({ ip: string })),
    phase: string,
    conditions: list(object({ type: string, status: string })),
  }),
})
/** The whole Pod document: spec.spec is its spec. */
export type PodBody = Infer<typeof podSchema>

const targetRef = object({ kind: string, name: string, namespace: string })

export const endpointSliceSchema = object({
  addressType: string,
  endpoints: list(
    object({
      addresses: list(string),
      conditions: object({ ready: boolean, serving: boolean, terminating: boolean }),
      hostname: string,
      nodeName: string,
      zone: string,
      targetRef,
    }),
  ),
  ports: list(object({ name: string, port: integer, protocol: string, appProtocol: string })),
})
export type EndpointSliceBody = Infer<typeof endpointSliceSchema>

const endpointAddress = list(object({ ip: string, hostname: string, nodeName: string, targetRef }))
export const endpointsSchema = object({
  subsets: list(
    object({
      addresses: endpointAddress,
      notReadyAddresses: endpointAddress,
      ports: list(object({ name: string, port: integer, protocol: string })),
    }),
  ),
})
export type EndpointsBody = Infer<typeof endpointsSchema>

export const secretSchema = object({ type: string, data: map(string), stringData: map(string) })
export type SecretBody = Infer<typeof secretSchema>

export const configMapSchema = object({ data: map(string), binaryData: map(string) })
export type ConfigMapBody = Infer<typeof configMapSchema>

/** Its labels say where it stands. */
export const nodeSchema = object({
  status: object({ addresses: list(object({ type: string, address: string })) }),
})
export type NodeBody = Infer<typeof nodeSchema>

export const namespaceSchema = object({})
