import type { ServiceSpec } from '../../config/kinds/kubernetes.ts'
import type { ResourceSet } from '../../config/resource-set.ts'
import type { Resource } from '../../config/resource.ts'
import type { CompileSettings } from '../compile-input.ts'
import { describe, type Findings } from '../findings.ts'
import { type Labels, selects } from '../labels.ts'
import { containerPort } from '../registry/workloads.ts'

const OPT_OUT_LABEL = 'experimental.istio.io/disable-gateway-port-translation'

/**
 * Where a Gateway server's port number really listens: it is a port of the Services that select our
 * labels, and their targetPort is the socket's. A number no such Service has stands for itself.
 */
export class PortTranslation {
  readonly #set: ResourceSet
  readonly #settings: CompileSettings
  readonly #findings: Findings
  readonly #cache = new Map<string, number>()

  constructor(set: ResourceSet, settings: CompileSettings, findings: Findings) {
    this.#set = set
    this.#settings = settings
    this.#findings = findings
  }

  /** Each socket port that `number` means to one of the label sets, ascending. */
  targetPorts(number: number, identities: readonly Labels[]): readonly number[] {
    const ports = new Set(identities.map((labels) => this.#targetPort(number, labels)))
    return [...ports].toSorted((a, b) => a - b)
  }

  #targetPort(number: number, labels: Labels): number {
    const key = `${number} ${JSON.stringify(Object.entries(labels).toSorted())}`
    const cached = this.#cache.get(key)
    if (cached !== undefined) return cached
    const target = this.#look(number, labels)
    this.#cache.set(key, target)
    return target
  }

  #look(number: number, labels: Labels): number {
    const { namespace } = this.#settings
    let elsewhere: Resource<ServiceSpec> | null = null
    for (const service of this.#set.services) {
      const { selector = {} } = service.spec
      if (Object.keys(selector).length === 0 || !selects(selector, labels)) continue
      if (service.metadata.labels[OPT_OUT_LABEL] === 'true') continue
      const port = service.spec.ports?.find((candidate) => candidate.port === number)
      if (port === undefined) continue
      if (service.metadata.namespace !== namespace) {
        elsewhere ??= service
        continue
      }
      const { targetPort } = port
      if (typeof targetPort === 'number') return targetPort
      return targetPort === undefined ? number : this.#named(service, targetPort, number, labels)
    }
    if (elsewhere !== null) {
      const { namespace: other } = elsewhere.metadata
      this.#findings.report(
        'info',
        'gateway-service-elsewhere',
        { resource: elsewhere, path: ['spec', 'selector'] },
        `Service ${describe(elsewhere)} selects our labels, but a Service selects Pods of its own namespace only and the gateway stands in ${namespace}: port ${number} is not translated`,
        `run with --namespace ${other} if the gateway stands there`,
      )
    }
    return number
  }

  /** A named targetPort is a name of one of our containers' ports. */
  #named(
    service: Resource<ServiceSpec>,
    targetPort: string,
    number: number,
    labels: Labels,
  ): number {
    if (/^\d+$/.test(targetPort)) return Number(targetPort)
    for (const pod of this.#set.pods) {
      const isOurs =
        pod.metadata.namespace === service.metadata.namespace &&
        selects(labels, pod.metadata.labels)
      const found = isOurs ? containerPort(pod.spec, targetPort) : null
      if (found !== null) return found
    }
    this.#findings.report(
      'warning',
      'gateway-target-port-unknown',
      { resource: service, path: ['spec', 'ports'] },
      `targetPort ${targetPort} of port ${number} is the name of a container port, and no Pod of the gateway tells its number: ${number} itself is used`,
      `move it with --listen ${number}=PORT`,
    )
    return number
  }
}
