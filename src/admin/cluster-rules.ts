import type { ClusterPlan } from '../clusters/plan.ts'
import { Findings } from '../compile/findings.ts'
import { orderedSet } from '../compile/ordering.ts'
import { DestinationRules } from '../compile/policy/destination-rules.ts'
import type { ServedConfiguration } from './describe-resources.ts'

/** Which DestinationRules a cluster was compiled with. */
export class ClusterRules {
  readonly #rules: DestinationRules

  constructor({ set, settings }: ServedConfiguration) {
    this.#rules = new DestinationRules(orderedSet(set).destinationRules, settings, new Findings())
  }

  /** `namespace/name`; several where rules of one host are merged. */
  of({ destination }: ClusterPlan): readonly string[] {
    const rule = this.#rules.find(destination.service, destination.serviceNamespace)
    if (rule === null) return []
    return rule.sources.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
  }
}
