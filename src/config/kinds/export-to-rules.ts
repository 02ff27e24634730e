import { isDnsLabel } from '../names.ts'
import type { Place } from './place.ts'

/** Which forms beyond `.`, `*` and namespace names a kind admits. */
export interface ExportToForms {
  /** Namespace of the resource: the same as `.`. */
  readonly namespace: string
  /** ServiceEntry: `~` exports to nobody. */
  readonly nobody: boolean
}

/** `exportTo` of VirtualService, DestinationRule and ServiceEntry. */
export function checkExportTo(
  place: Place,
  exportTo: readonly string[] | undefined,
  forms: ExportToForms,
): void {
  if (exportTo === undefined) return
  const seen = new Set<string>()
  for (const [index, text] of exportTo.entries()) {
    const at = place.at(index)
    const known = text === '*' || text === '.' || (text === '~' && forms.nobody)
    if (!known && !isDnsLabel(text)) {
      at.error(
        'invalid-export-to',
        `"${text}" is not a valid exportTo value`,
        `use "." (this namespace), "*" (all)${forms.nobody ? ', "~" (nobody)' : ''} or a namespace`,
      )
    }
    const namespace = text === '.' ? forms.namespace : text
    if (seen.has(namespace)) {
      at.error('duplicate-export-to', `duplicate entries in exportTo: "${text}"`)
    }
    seen.add(namespace)
  }
  if (seen.size < 2) return
  if (seen.has('*')) {
    place.error(
      'invalid-export-to',
      'cannot have both public (*) and non-public exportTo values for a resource',
      'keep "*" alone, or name the namespaces without it',
    )
  } else if (seen.has('~')) {
    place.error('invalid-export-to', 'cannot export service entry to no one (~) and someone')
  }
}
