import type { ResourceRef } from './problems.ts'

export interface Metadata {
  readonly name: string
  /** `default` when the document says none (cluster-scoped kinds: ''). */
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** Milliseconds since the epoch; null when absent: such resources order by name after dated ones. */
  readonly creationTimestamp: number | null
}

/** One accepted resource: checked shape, canonical enums, and where every field stood. */
export interface Resource<Body> {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: Metadata
  /** The `spec` of Istio kinds and of Service; the whole document for kinds without spec (Secret, ConfigMap, EndpointSlice, Endpoints). */
  readonly spec: Body
  /** `status` of a Service (ServiceStatus); absent: none was written, or the kind's is not read. */
  readonly status?: unknown
  readonly location: Location
  /** Canonical digest of apiVersion, kind, metadata (name, namespace, labels, annotations), body and status. */
  readonly digest: string
}

export interface Location {
  readonly file: string | null
  readonly line: number | null
  /** Line of the field at `path` (["spec","http",0]), or of its nearest written parent. */
  lineOf(path: readonly (string | number)[]): number | null
}

export function refOf(resource: Resource<unknown>): ResourceRef {
  return {
    kind: resource.kind,
    namespace: resource.metadata.namespace,
    name: resource.metadata.name,
  }
}
