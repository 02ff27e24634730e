import { isFqdn, isIpLiteral } from '../names.ts'
import type { Reporter } from '../reporter.ts'
import type { Resource } from '../resource.ts'
import { checkLabels } from './label-rules.ts'
import { checkCount } from './number-rules.ts'
import { Place } from './place.ts'
import { checkPortNumber } from './port-rules.ts'
import type { ValidationOptions } from './validation-options.ts'
import type { WorkloadEntrySpec } from './workload-entry.ts'

const UNIX = 'unix://'

export function validateWorkloadEntry(
  resource: Resource<WorkloadEntrySpec>,
  reporter: Reporter,
  options: ValidationOptions,
): void {
  checkWorkload(new Place(reporter, options, ['spec']), resource.spec)
}

/** `unix:///path` or `unix://@abstract`. */
export function isUnixAddress(address: string): boolean {
  return address.startsWith(UNIX)
}

/** A WorkloadEntry, alone or as endpoint of a ServiceEntry. */
export function checkWorkload(place: Place, workload: WorkloadEntrySpec): void {
  checkAddress(place, workload)
  for (const [name, port] of Object.entries(workload.ports ?? {})) {
    if (!isFqdn(name)) {
      place.at('ports', name).error('invalid-port-name', `port name "${name}" is invalid`)
    }
    checkPortNumber(place.at('ports', name), port)
  }
  checkLabels(place.at('labels'), workload.labels)
  checkCount(place.at('weight'), workload.weight, 'weight')
  const locality = workload.locality ?? ''
  if (locality.includes('*') || locality.split('/').length > 3) {
    place
      .at('locality')
      .error('invalid-locality', `locality "${locality}" is not region/zone/subzone`)
  }
}

function checkAddress(place: Place, workload: WorkloadEntrySpec): void {
  const address = workload.address ?? ''
  const at = place.at('address')
  if (address === '') {
    if ((workload.network ?? '') === '') at.error('missing-field', 'address is required')
    else {
      at.warning(
        'workload-without-address',
        'address is empty, and the gateway of another network is not looked up: the endpoint is left out',
        'give the address',
      )
    }
    return
  }
  if (isUnixAddress(address)) {
    checkUnixAddress(place, address, workload)
    return
  }
  if (isIpLiteral(address) || isFqdn(address)) return
  at.error(
    'invalid-address',
    `"${address}" is not a valid IP address, host name or unix:// path`,
    /:\d+$/.test(address) ? 'leave the port out: it belongs in ports' : null,
  )
}

function checkUnixAddress(place: Place, address: string, workload: WorkloadEntrySpec): void {
  const path = address.slice(UNIX.length)
  if (!path.startsWith('/') && !path.startsWith('@')) {
    place
      .at('address')
      .error('invalid-address', `"${address}" must be an absolute path or @ and a name`)
  }
  if (Object.keys(workload.ports ?? {}).length === 0) return
  place.at('ports').error('unix-socket-with-ports', 'unix socket endpoints must not have ports')
}
