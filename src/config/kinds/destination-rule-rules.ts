import { isDnsLabel } from '../names.ts'
import type { Reporter } from '../reporter.ts'
import type { Resource } from '../resource.ts'
import type { DestinationRuleSpec } from './destination-rule.ts'
import { checkExportTo } from './export-to-rules.ts'
import { checkHost } from './host-rules.ts'
import { checkLabels, checkSelector } from './label-rules.ts'
import { Place } from './place.ts'
import { checkTrafficPolicy } from './traffic-policy-rules.ts'
import type { ValidationOptions } from './validation-options.ts'

export function validateDestinationRule(
  resource: Resource<DestinationRuleSpec>,
  reporter: Reporter,
  options: ValidationOptions,
): void {
  const { spec, metadata } = resource
  const place = new Place(reporter, options, ['spec'])
  if (spec.host === undefined || spec.host === '') {
    place.at('host').error('missing-field', 'destination rule host is required')
  } else checkHost(place.at('host'), spec.host)
  checkTrafficPolicy(place.at('trafficPolicy'), spec.trafficPolicy)
  checkSubsets(place, spec)
  checkExportTo(place.at('exportTo'), spec.exportTo, {
    namespace: metadata.namespace,
    nobody: false,
  })
  checkWorkloadSelector(place, spec, metadata.namespace)
}

function checkSubsets(place: Place, spec: DestinationRuleSpec): void {
  const seen = new Set<string>()
  place.each('subsets', spec.subsets, (subset, at) => {
    const name = subset.name ?? ''
    if (name === '') at.at('name').error('missing-field', 'subset name is required')
    else if (!isDnsLabel(name)) {
      at.at('name').error('invalid-subset-name', `subset name is invalid: "${name}"`)
    }
    if (seen.has(name) && name !== '') {
      at.at('name').error('duplicate-subset', `duplicate subset names: "${name}"`)
    }
    seen.add(name)
    checkLabels(at.at('labels'), subset.labels)
    checkTrafficPolicy(at.at('trafficPolicy'), subset.trafficPolicy)
  })
}

function checkWorkloadSelector(place: Place, spec: DestinationRuleSpec, namespace: string): void {
  const selector = spec.workloadSelector
  if (selector === undefined) return
  checkSelector(place.at('workloadSelector', 'matchLabels'), selector.matchLabels)
  const elsewhere = (spec.exportTo ?? []).some((text) => text !== '.' && text !== namespace)
  if (!elsewhere) return
  place
    .at('exportTo')
    .error(
      'invalid-export-to',
      'with workloadSelector, exportTo may only be "."',
      'a workloadSelector chooses proxies of the own namespace only',
    )
}
