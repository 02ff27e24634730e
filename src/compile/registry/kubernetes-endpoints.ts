import type { EndpointPlan } from '../../clusters/plan.ts'
import type {
  EndpointsBody,
  EndpointSliceBody,
  ServiceSpec,
} from '../../config/kinds/kubernetes.ts'
import type { ResourceSet } from '../../config/resource-set.ts'
import type { Resource } from '../../config/resource.ts'
import { EndpointList } from './endpoint-list.ts'
import { containerPort, entryTraits, podTraits, type Workloads } from './workloads.ts'

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
    for (const slice of slices) {
      const number = portNumber(slice.spec.ports, port, onlyPort)
      if (number === null) continue
      for (const endpoint of slice.spec.endpoints ?? []) {
        if (endpoint.conditions?.ready === false) continue
        for (const address of endpoint.addresses ?? []) {
          const { namespace } = slice.metadata
          const traits = this.#workloads.traitsOf(address, namespace, endpoint.targetRef)
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
      for (const { ip, targetRef } of subset.addresses ?? []) {
        if (ip === undefined) continue
        const traits = this.#workloads.traitsOf(ip, endpoints.metadata.namespace, targetRef)
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
      list.add(address, number, 1, podTraits(pod))
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
