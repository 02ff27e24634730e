import type { PodBody } from '../../config/kinds/kubernetes.ts'
import type { WorkloadEntrySpec } from '../../config/kinds/workload-entry.ts'
import type { ResourceSet } from '../../config/resource-set.ts'
import type { Resource } from '../../config/resource.ts'
import { type Labels, selects } from '../labels.ts'
import { istioLocality, labelledLocality, NodeLocalities } from './locality-labels.ts'

/** What stands behind an endpoint address. */
export interface WorkloadTraits {
  readonly labels: Labels
  readonly locality: string
  /** `ns/NAMESPACE/sa/ACCOUNT`; absent: unknown. */
  readonly identity?: string
}

/** What a list of addresses says itself about where one of them stands. */
export interface Standing {
  readonly nodeName?: string | undefined
  readonly zone?: string | undefined
}

/** What Kubernetes gives a Pod that names none. */
const DEFAULT_ACCOUNT = 'default'

export const NO_TRAITS: WorkloadTraits = { labels: {}, locality: '' }

/** Pods and WorkloadEntries by selector, by name and by address. */
export class Workloads {
  readonly #pods: readonly Resource<PodBody>[]
  readonly #entries: readonly Resource<WorkloadEntrySpec>[]
  readonly #nodes: NodeLocalities
  readonly #podsByName = new Map<string, Resource<PodBody>>()
  readonly #podsByAddress = new Map<string, Resource<PodBody>[]>()
  readonly #entriesByAddress = new Map<string, Resource<WorkloadEntrySpec>[]>()

  constructor(set: ResourceSet) {
    this.#pods = set.pods
    this.#entries = set.workloadEntries
    this.#nodes = new NodeLocalities(set.nodes)
    for (const pod of set.pods) {
      this.#podsByName.set(`${pod.metadata.namespace}/${pod.metadata.name}`, pod)
      for (const address of podAddresses(pod)) push(this.#podsByAddress, address, pod)
    }
    for (const entry of set.workloadEntries) {
      if (entry.spec.address !== undefined) push(this.#entriesByAddress, entry.spec.address, entry)
    }
  }

  /** Ready Pods with an address, in `namespace`. */
  readyPods(selector: Labels, namespace: string): readonly Resource<PodBody>[] {
    return this.#pods.filter(
      (pod) =>
        pod.metadata.namespace === namespace &&
        selects(selector, pod.metadata.labels) &&
        pod.spec.status?.podIP !== undefined &&
        isReady(pod.spec),
    )
  }

  entries(selector: Labels, namespace: string): readonly Resource<WorkloadEntrySpec>[] {
    return this.#entries.filter(
      (entry) => entry.metadata.namespace === namespace && selects(selector, entryLabels(entry)),
    )
  }

  /** Labels behind an endpoint: the Pod it points to, else the Pod or WorkloadEntry at its address. */
  traitsOf(
    address: string,
    namespace: string,
    targetRef:
      { readonly kind?: string; readonly name?: string; readonly namespace?: string } | undefined,
    stands: Standing = {},
  ): WorkloadTraits {
    const traits = this.#traitsAt(address, namespace, targetRef)
    const { nodeName, zone } = stands
    const locality = traits.locality || this.#nodes.of(nodeName) || (zone ? `/${zone}` : '')
    return locality === traits.locality ? traits : { ...traits, locality }
  }

  /** A Pod stands where `istio-locality` says, else where its Node does, else where its own labels say. */
  podTraits({ metadata: { labels, namespace }, spec }: Resource<PodBody>): WorkloadTraits {
    const node = this.#nodes.of(spec.spec?.nodeName)
    const locality = istioLocality(labels) || node || labelledLocality(labels)
    const account = spec.spec?.serviceAccountName ?? DEFAULT_ACCOUNT
    return { labels, locality, ...accountTraits(namespace, account) }
  }

  #traitsAt(
    address: string,
    namespace: string,
    targetRef:
      { readonly kind?: string; readonly name?: string; readonly namespace?: string } | undefined,
  ): WorkloadTraits {
    if (targetRef !== undefined && (targetRef.kind ?? 'Pod') === 'Pod') {
      const key = `${targetRef.namespace ?? namespace}/${targetRef.name ?? ''}`
      const pod = this.#podsByName.get(key)
      if (pod !== undefined) return this.podTraits(pod)
    }
    const pods = this.#podsByAddress.get(address) ?? []
    const pod = pods.find((one) => one.metadata.namespace === namespace) ?? pods[0]
    if (pod !== undefined) return this.podTraits(pod)
    const entries = this.#entriesByAddress.get(address) ?? []
    const entry = entries.find((one) => one.metadata.namespace === namespace) ?? entries[0]
    return entry === undefined ? NO_TRAITS : entryTraits(entry)
  }
}

export function entryTraits(entry: Resource<WorkloadEntrySpec>): WorkloadTraits {
  const labels = entryLabels(entry)
  const locality = entry.spec.locality ?? labelledLocality(labels)
  return { labels, locality, ...accountTraits(entry.metadata.namespace, entry.spec.serviceAccount) }
}

/** As whom a workload runs, where that is written. */
export function accountTraits(
  namespace: string,
  account: string | undefined,
): Pick<WorkloadTraits, 'identity'> {
  return account === undefined || account === ''
    ? {}
    : { identity: `ns/${namespace}/sa/${account}` }
}

/** The labels of the resource win over those in its spec. */
function entryLabels(entry: Resource<WorkloadEntrySpec>): Labels {
  return { ...entry.spec.labels, ...entry.metadata.labels }
}

/** The number behind a named container port, or null. */
export function containerPort(pod: PodBody, name: string): number | null {
  for (const container of pod.spec?.containers ?? []) {
    for (const port of container.ports ?? []) {
      if (port.name === name && port.containerPort !== undefined) return port.containerPort
    }
  }
  return null
}

/** A Pod written by hand without any status but an address counts as ready. */
function isReady(pod: PodBody): boolean {
  const phase = pod.status?.phase ?? 'Running'
  const ready = pod.status?.conditions?.find((condition) => condition.type === 'Ready')
  return phase === 'Running' && (ready === undefined || ready.status === 'True')
}

function podAddresses(pod: Resource<PodBody>): ReadonlySet<string> {
  const { podIP, podIPs = [] } = pod.spec.status ?? {}
  const all = [podIP, ...podIPs.map((entry) => entry.ip)]
  return new Set(all.filter((address) => address !== undefined))
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
