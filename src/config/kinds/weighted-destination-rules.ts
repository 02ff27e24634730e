import { isDnsLabel, isWildcardHost } from '../names.ts'
import { checkHost } from './host-rules.ts'
import type { Place } from './place.ts'
import { checkPortNumber } from './port-rules.ts'
import type { DestinationSpec } from './virtual-service.ts'

interface WeightedDestination {
  readonly destination?: DestinationSpec
  readonly weight?: number
}

/** Destinations and weights of one rule's `route` list: http, tls and tcp alike. */
export function checkWeightedDestinations(
  place: Place,
  entries: readonly WeightedDestination[],
): void {
  for (const [index, entry] of entries.entries()) {
    checkDestination(place.at(index, 'destination'), entry.destination)
    const weight = entry.weight ?? 0
    if (weight < 0) {
      place.at(index, 'weight').error('invalid-weight', `weight ${weight} < 0`)
    }
  }
  if (entries.length < 2) return
  const total = entries.reduce((sum, entry) => sum + Math.max(entry.weight ?? 0, 0), 0)
  if (total === 0) {
    place.error(
      'zero-total-weight',
      'total destination weight = 0',
      'with several destinations each one needs its share; an omitted weight counts as 0',
    )
    return
  }
  for (const [index, entry] of entries.entries()) {
    if (entry.weight !== undefined) continue
    place
      .at(index)
      .warning(
        'weight-missing',
        'one of several destinations has no weight: it gets no traffic',
        'set weight, or remove the destination',
      )
  }
}

/** One Destination: route target, mirror or egress proxy. */
export function checkDestination(place: Place, destination: DestinationSpec | undefined): void {
  const host = destination?.host
  if (host === undefined || host === '') {
    place.at('host').error('missing-field', 'destination host is required')
    return
  }
  if (host === '*') {
    place
      .at('host')
      .error('invalid-host', 'invalid destination host *', 'name the service to send to')
  } else if (checkHost(place.at('host'), host) && isWildcardHost(host)) {
    place
      .at('host')
      .warning(
        'wildcard-destination',
        `wildcard destination "${host}" works only with a ServiceEntry of exactly that host`,
      )
  }
  const subset = destination?.subset
  if (subset !== undefined && subset !== '' && !isDnsLabel(subset)) {
    place.at('subset').error('invalid-subset-name', `subset name is invalid: "${subset}"`)
  }
  checkPortNumber(place.at('port', 'number'), destination?.port?.number)
}
