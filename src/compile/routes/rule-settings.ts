import type { HttpRouteSpec } from '../../config/kinds/virtual-service.ts'
import type { FilterLayer, RuleField } from '../../filters/filter.ts'
import { NO_RULE_SETTINGS, type RuleSettings } from '../envoy-filters-scope.ts'
import type { Place } from '../findings.ts'

/** The fields of a rule that filters implement, as those read them. */
export function ruleSettings(rule: HttpRouteSpec, place: Place): RuleSettings {
  const { fault, corsPolicy } = rule
  if (fault === undefined && corsPolicy === undefined) return NO_RULE_SETTINGS
  return {
    ...(fault === undefined ? {} : { fault: layer('fault', fault, place) }),
    ...(corsPolicy === undefined ? {} : { corsPolicy: layer('corsPolicy', corsPolicy, place) }),
  }
}

function layer(field: RuleField, value: FilterLayer['value'], rule: Place): FilterLayer {
  const { kind, metadata, location } = rule.resource
  const path = [...rule.path, field]
  return {
    value,
    origin: {
      kind,
      namespace: metadata.namespace,
      name: metadata.name,
      path,
      file: location.file,
      line: location.lineOf(path),
    },
  }
}
