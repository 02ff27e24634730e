import type { Reporter } from '../reporter.ts'
import type { Resource } from '../resource.ts'
import type { Fields, ObjectSchema } from '../schema.ts'
import { validateDestinationRule } from './destination-rule-rules.ts'
import { destinationRuleSchema } from './destination-rule.ts'
import { validateEnvoyFilter } from './envoy-filter-rules.ts'
import { envoyFilterSchema } from './envoy-filter.ts'
import { validateGateway } from './gateway-rules.ts'
import { gatewaySchema } from './gateway.ts'
import { validateServiceEntry } from './service-entry-rules.ts'
import { serviceEntrySchema } from './service-entry.ts'
import { validateSidecar } from './sidecar-rules.ts'
import { sidecarSchema } from './sidecar.ts'
import type { ValidationOptions } from './validation-options.ts'
import { validateVirtualService } from './virtual-service-rules.ts'
import { virtualServiceSchema } from './virtual-service.ts'
import { validateWorkloadEntry } from './workload-entry-rules.ts'
import { workloadEntrySchema } from './workload-entry.ts'

export type { ValidationOptions } from './validation-options.ts'

/** What is known about one kind: its field table and the rules its values must obey. */
export interface KindRules {
  readonly schema: ObjectSchema<Fields>
  /**
   * Reports what the shape check cannot see. `spec` has passed checkShape(schema): types are right,
   * enums canonical, durations still text. Never throws.
   */
  validate(resource: Resource<unknown>, reporter: Reporter, options: ValidationOptions): void
}

/** The kinds of networking.istio.io, whatever the version. */
export const istioKinds: ReadonlyMap<string, KindRules> = new Map<string, KindRules>([
  ['Gateway', { schema: gatewaySchema, validate: validateGateway }],
  ['VirtualService', { schema: virtualServiceSchema, validate: validateVirtualService }],
  ['DestinationRule', { schema: destinationRuleSchema, validate: validateDestinationRule }],
  ['ServiceEntry', { schema: serviceEntrySchema, validate: validateServiceEntry }],
  ['WorkloadEntry', { schema: workloadEntrySchema, validate: validateWorkloadEntry }],
  ['Sidecar', { schema: sidecarSchema, validate: validateSidecar }],
  ['EnvoyFilter', { schema: envoyFilterSchema, validate: validateEnvoyFilter }],
])
