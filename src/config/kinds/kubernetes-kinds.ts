import type { Fields, ObjectSchema } from '../schema.ts'
import {
  configMapSchema,
  endpointSliceSchema,
  endpointsSchema,
  namespaceSchema,
  nodeSchema,
  podSchema,
  secretSchema,
  serviceSchema,
  serviceStatusSchema,
} from './kubernetes.ts'

/** One of Kubernetes' own kinds that the gateway reads. */
export interface KubernetesKind {
  readonly apiVersions: readonly string[]
  /** Describes `spec`, or the whole document. */
  readonly schema: ObjectSchema<Fields>
  readonly body: 'spec' | 'document'
  /** Describes `status` where it is kept beside the spec. */
  readonly status?: ObjectSchema<Fields>
  readonly clusterScoped: boolean
}

const core = ['v1']
const discovery = ['discovery.k8s.io/v1', 'discovery.k8s.io/v1beta1']

export const kubernetesKinds: ReadonlyMap<string, KubernetesKind> = new Map<string, KubernetesKind>(
  [
    [
      'Service',
      {
        apiVersions: core,
        schema: serviceSchema,
        body: 'spec',
        status: serviceStatusSchema,
        clusterScoped: false,
      },
    ],
    [
      'Endpoints',
      { apiVersions: core, schema: endpointsSchema, body: 'document', clusterScoped: false },
    ],
    [
      'EndpointSlice',
      {
        apiVersions: discovery,
        schema: endpointSliceSchema,
        body: 'document',
        clusterScoped: false,
      },
    ],
    ['Pod', { apiVersions: core, schema: podSchema, body: 'document', clusterScoped: false }],
    ['Secret', { apiVersions: core, schema: secretSchema, body: 'document', clusterScoped: false }],
    [
      'ConfigMap',
      { apiVersions: core, schema: configMapSchema, body: 'document', clusterScoped: false },
    ],
    ['Node', { apiVersions: core, schema: nodeSchema, body: 'document', clusterScoped: true }],
    [
      'Namespace',
      { apiVersions: core, schema: namespaceSchema, body: 'document', clusterScoped: true },
    ],
  ],
)
