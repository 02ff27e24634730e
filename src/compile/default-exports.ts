import type { MeshConfigSpec } from '../config/mesh-config.ts'
import { isDnsLabel } from '../config/names.ts'
import type { ResourceSet } from '../config/resource-set.ts'
import type { Resource } from '../config/resource.ts'
import type { Findings } from './findings.ts'

/** Says of a Kubernetes Service what exportTo says of the other kinds: a list with commas. */
export const EXPORT_TO_ANNOTATION = 'networking.istio.io/exportTo'

type Exported = Resource<{ readonly exportTo?: readonly string[] }>
type DefaultField =
  'defaultServiceExportTo' | 'defaultVirtualServiceExportTo' | 'defaultDestinationRuleExportTo'

/**
 * The set as if every resource without exportTo had said what MeshConfig makes the default of its
 * kind. The set itself where MeshConfig says nothing.
 */
export function withDefaultExports(set: ResourceSet, mesh: MeshConfigSpec | null): ResourceSet {
  const services = exportDefault(mesh, 'defaultServiceExportTo')
  const virtualServices = exportDefault(mesh, 'defaultVirtualServiceExportTo')
  const destinationRules = exportDefault(mesh, 'defaultDestinationRuleExportTo')
  if (services === null && virtualServices === null && destinationRules === null) return set
  return {
    ...set,
    services: set.services.map((service) => annotated(service, services)),
    serviceEntries: filled(set.serviceEntries, services),
    virtualServices: filled(set.virtualServices, virtualServices),
    destinationRules: filled(set.destinationRules, destinationRules),
    withheldRules: filled(set.withheldRules, destinationRules),
  }
}

/** Defaults that mean nothing: resources are exported everywhere then. */
export function reportDefaultExports(mesh: MeshConfigSpec | null, findings: Findings): void {
  const fields: readonly DefaultField[] = [
    'defaultServiceExportTo',
    'defaultVirtualServiceExportTo',
    'defaultDestinationRuleExportTo',
  ]
  for (const field of fields) {
    const wrong = (mesh?.[field] ?? []).find((text) => !isMeaningful(text, field))
    if (wrong === undefined) continue
    findings.reportGeneral(
      'warning',
      'mesh-export-to-invalid',
      `MeshConfig ${field} has ${JSON.stringify(wrong)}, which is no value of exportTo: the default stays "*"`,
      'use ".", "*" or namespace names',
    )
  }
}

/** null: `*`, which is what absence means anyway. */
function exportDefault(mesh: MeshConfigSpec | null, field: DefaultField): readonly string[] | null {
  const names = mesh?.[field]
  if (names === undefined || names.length === 0 || names.includes('*')) return null
  return names.every((text) => isMeaningful(text, field)) ? names : null
}

function isMeaningful(text: string, field: DefaultField): boolean {
  if (text === '.' || text === '*' || isDnsLabel(text)) return true
  return text === '~' && field === 'defaultServiceExportTo'
}

function filled<T extends Exported>(
  resources: readonly T[],
  exportTo: readonly string[] | null,
): readonly T[] {
  if (exportTo === null) return resources
  return resources.map((resource) => {
    const own = resource.spec.exportTo
    if (own !== undefined && own.length > 0) return resource
    return { ...resource, spec: { ...resource.spec, exportTo } }
  })
}

function annotated<Body>(
  service: Resource<Body>,
  exportTo: readonly string[] | null,
): Resource<Body> {
  const { metadata } = service
  if (exportTo === null || metadata.annotations[EXPORT_TO_ANNOTATION] !== undefined) return service
  const annotations = { ...metadata.annotations, [EXPORT_TO_ANNOTATION]: exportTo.join(',') }
  return { ...service, metadata: { ...metadata, annotations } }
}
