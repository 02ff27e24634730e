import { ignored, type Infer, integer, map, object, string } from '../schema.ts'

export const workloadEntrySchema = object({
  address: string,
  ports: map(integer),
  labels: map(string),
  network: ignored(string, 'every endpoint is reached directly'),
  locality: string,
  weight: integer,
  serviceAccount: string,
})

export type WorkloadEntrySpec = Infer<typeof workloadEntrySchema>
