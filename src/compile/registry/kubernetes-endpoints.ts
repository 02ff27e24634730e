import type { EndpointPlan } from '../../clusters/plan.ts'
import type {
  EndpointsBody,
  EndpointSliceBody,
  ServiceSpec,
} from '../../config/kinds/kubernetes.ts'
import type { ResourceSet } from '../../config/resource-set.ts'
import type { Resource } from '../../config/resource.ts'
import { EndpointList } from './endpoint-list.ts'
import { containerPort, entryTraits, type Workloads } from './workloads.ts'

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name'

export type KubernetesServicePort = NonNullable<ServiceSpec['ports']>[number]

/** null: nothing in the set says anything about the service's endpoints. */
export interface ServiceEndpoints {
  readonly endpoints: readonly EndpointPlan[]
  /** The addresses are DNS names (EndpointSlice addressType FQDN). */
  readonly names: boolean
}

/** Finds the endpoints of Kubernetes Services: EndpointSlices, else Endpoints, else ready Pods. */
export class KubernetesEndpoints {
  readonly #slices = new Map<string, Resource<EndpointSliceBody>[]>()
  readonly #endpoints = new Map<string, Resource<EndpointsBody>>()
  readonly #workloads: Workloads

  constructor(set: ResourceSet, workloads: Workloads) {
    this.#workloads = workloads
    for (const slice of set.endpointSlices) {
      const service = slice.metadata.labels[SERVICE_NAME_LABEL]
      if (service === undefined) continue
      const key = `${slice.metadata.namespace}/${service}`
      this.#slices.set(key, [...(this.#slices.get(key) ?? []), slice])
    }
    for (const endpoints of set.endpoints) {
      this.#endpoints.set(`${endpoints.metadata.namespace}/${endpoints.metadata.name}`, endpoints)
    }
  }

  /** WorkloadEntries that the selector picks are added to whatever else there is. */
  find(service: Resource<ServiceSpec>, port: KubernetesServicePort): ServiceEndpoints | null {
    const { namespace, name } = service.metadata
    const key = `${namespace}/${name}`
    const slices = this.#slices.get(key)
    const endpoints = this.#endpoints.get(key)
    const list = new EndpointList()
    const onlyPort = service.spec.ports?.length === 1
    const hasSelector = Object.keys(service.spec.selector ?? {}).length > 0
    if (slices !== undefined) this.#addSlices(list, slices, port, onlyPort)
    else if (endpoints !== undefined) this.#addEndpoints(list, endpoints, port, onlyPort)
    else if (hasSelector) this.#addPods(list, service, port)
    if (hasSelector) this.#addEntries(list, service, port)
    if (slices === undefined && endpoints === undefined && list.size === 0) return null
    const names = slices?.some((slice) => slice.spec.addressType === 'FQDN') ?? false
    return { endpoints: list.list(), names }
  }

  #addSlices(
    list: EndpointList,
    slices: readonly Resource<EndpointSliceBody>[],
    port: KubernetesServicePort,
    onlyPort: boolean,
  ): void {
    this.#addSliceEndpoints(list, slices, { port, onlyPort, admits: isReady })
    if (list.size > 0) return
    this.#addSliceEndpoints(list, slices, { port, onlyPort, admits: isDraining })
  }

  #addSliceEndpoints(
    list: EndpointList,
    slices: readonly Resource<EndpointSliceBody>[],
    wanted: {
      readonly port: KubernetesServicePort
      readonly onlyPort: boolean
      readonly admits: (endpoint: SliceEndpoint) => boolean
    },
  ): void {
    for (const slice of slices) {
      const { namespace } = slice.metadata
      const number = portNumber(slice.spec.ports, wanted.port, wanted.onlyPort)
      if (number === null) continue
      for (const endpoint of slice.spec.endpoints ?? []) {
        if (!wanted.admits(endpoint)) continue
        for (const address of endpoint.addresses ?? []) {
          const traits = this.#workloads.traitsOf(address, namespace, endpoint.targetRef, endpoint)
          list.add(address, number, 1, traits)
        }
      }
    }
  }

  #addEndpoints(
    list: EndpointList,
    endpoints: Resource<EndpointsBody>,
    port: KubernetesServicePort,
    onlyPort: boolean,
  ): void {
    for (const subset of endpoints.spec.subsets ?? []) {
      const number = portNumber(subset.ports, port, onlyPort)
      if (number === null) continue
      for (const { ip, targetRef, nodeName } of subset.addresses ?? []) {
        if (ip === undefined) continue
        const { namespace } = endpoints.metadata
        const traits = this.#workloads.traitsOf(ip, namespace, targetRef, { nodeName })
        list.add(ip, number, 1, traits)
      }
    }
  }

  #addPods(list: EndpointList, service: Resource<ServiceSpec>, port: KubernetesServicePort): void {
    const selector = service.spec.selector ?? {}
    for (const pod of this.#workloads.readyPods(selector, service.metadata.namespace)) {
      const target = port.targetPort ?? port.port
      const number = typeof target === 'string' ? namedOrNumber(target, pod.spec) : target
      const address = pod.spec.status?.podIP
      if (number === undefined || number === null || address === undefined) continue
      list.add(address, number, 1, this.#workloads.podTraits(pod))
    }
  }

  #addEntries(
    list: EndpointList,
    service: Resource<ServiceSpec>,
    port: KubernetesServicePort,
  ): void {
    const selector = service.spec.selector ?? {}
    for (const entry of this.#workloads.entries(selector, service.metadata.namespace)) {
      const { address, ports = {}, weight = 1 } = entry.spec
      if (address === undefined || address === '') continue
      const target = typeof port.targetPort === 'number' ? port.targetPort : port.port
      const named = ports[port.name ?? ''] ?? ports[String(port.targetPort ?? '')]
      const number = address.startsWith('unix://') ? 0 : (named ?? target)
      if (number === undefined) continue
      list.add(socketPath(address), number, weight, entryTraits(entry))
    }
  }
}

/** `unix:///run/x.sock` is the path `/run/x.sock`; anything else stays. */
export function socketPath(address: string): string {
  return address.startsWith('unix://') ? address.slice('unix://'.length) : address
}

type SliceEndpoint = NonNullable<EndpointSliceBody['endpoints']>[number]

/** Nothing said means ready (EndpointConditions.ready). */
function isReady({ conditions }: SliceEndpoint): boolean {
  return conditions?.ready !== false
}

/**
 * Shutting down, but still answering: used while nobody of the service is ready, as kube-proxy does
 * (KEP-1669). Otherwise it gets no new requests and finishes those it has.
 */
function isDraining({ conditions }: SliceEndpoint): boolean {
  return conditions?.terminating === true && conditions.serving === true
}

type SlicePorts = readonly { readonly name?: string; readonly port?: number }[] | undefined

/** Ports pair by name; a service and a slice with one port each pair whatever they are called. */
function portNumber(
  ports: SlicePorts,
  servicePort: KubernetesServicePort,
  onlyPort: boolean,
): number | null {
  const named = ports?.find((port) => (port.name ?? '') === (servicePort.name ?? ''))
  if (named?.port !== undefined) return named.port
  return onlyPort && ports?.length === 1 ? (ports[0]?.port ?? null) : null
}

/** A targetPort in quotes may still be a number. */
function namedOrNumber(target: string, pod: Parameters<typeof containerPort>[0]): number | null {
  return /^\d+$/.test(target) ? Number(target) : containerPort(pod, target)
}
