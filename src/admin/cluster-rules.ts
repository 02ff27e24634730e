import type { ClusterPlan } from '../clusters/plan.ts'
import { Findings } from '../compile/findings.ts'
import { orderedSet } from '../compile/ordering.ts'
import { DestinationRules } from '../compile/policy/destination-rules.ts'
import type { ServedConfiguration } from './describe-resources.ts'

/** Which DestinationRules a cluster was compiled with. */
export class ClusterRules {
  readonly #rules: DestinationRules
  /** As egress clients of other namespaces see them. */
  readonly #seenFrom = new Map<string, DestinationRules>()

  constructor({ set, settings }: ServedConfiguration) {
    this.#rules = DestinationRules.of(orderedSet(set).destinationRules, settings, new Findings())
  }

  /** `namespace/name`; several where rules of one host are merged. */
  of({ destination }: ClusterPlan): readonly string[] {
    const rules = this.#rulesFor(destination.clientNamespace)
    const rule = rules.find(destination.service, destination.serviceNamespace)
    if (rule === null) return []
    return rule.sources.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
  }

  #rulesFor(clientNamespace: string | undefined): DestinationRules {
    if (clientNamespace === undefined) return this.#rules
    const present = this.#seenFrom.get(clientNamespace)
    if (present !== undefined) return present
    const made = this.#rules.seenFrom(clientNamespace)
    this.#seenFrom.set(clientNamespace, made)
    return made
  }
}
