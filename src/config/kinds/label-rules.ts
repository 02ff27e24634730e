import { isLabelKey, isLabelValue } from '../names.ts'
import type { Place } from './place.ts'

type Labels = Readonly<Record<string, string>>

/** Labels that stand on something: Kubernetes' grammar. */
export function checkLabels(place: Place, labels: Labels | undefined): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    if (!isLabelKey(key)) {
      place.at(key).error('invalid-label', `invalid tag key: "${key}"`)
    } else if (!isLabelValue(value)) {
      place.at(key).error('invalid-label', `invalid tag value: "${value}"`)
    }
  }
}

/** Labels that are looked for: as checkLabels, and a wildcard would never be equal to a label. */
export function checkSelector(place: Place, labels: Labels | undefined): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    if (key.includes('*') || value.includes('*')) {
      place
        .at(key)
        .error(
          'invalid-label',
          `wildcard is not supported in selector: "${key}=${value}"`,
          'selectors compare whole keys and values; name each label',
        )
      continue
    }
    checkLabels(place, { [key]: value })
  }
}
