import { type Infer, list, object, oneOf, string } from '../schema.ts'
import { port, workloadSelector } from './istio-common.ts'
import { workloadEntrySchema } from './workload-entry.ts'

export const serviceEntrySchema = object({
  hosts: list(string),
  addresses: list(string),
  ports: list(port),
  location: oneOf('MESH_EXTERNAL', 'MESH_INTERNAL'),
  resolution: oneOf('NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'),
  endpoints: list(workloadEntrySchema),
  workloadSelector,
  exportTo: list(string),
  subjectAltNames: list(string),
})

export type ServiceEntrySpec = Infer<typeof serviceEntrySchema>
