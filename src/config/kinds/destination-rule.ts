import { type Infer, list, map, object, string } from '../schema.ts'
import { trafficPolicy } from './istio-common.ts'

export const destinationRuleSchema = object({
  host: string,
  trafficPolicy,
  subsets: list(object({ name: string, labels: map(string), trafficPolicy })),
  exportTo: list(string),
  workloadSelector: object({ matchLabels: map(string) }),
})

export type DestinationRuleSpec = Infer<typeof destinationRuleSchema>
export type TrafficPolicySpec = Infer<typeof trafficPolicy>
