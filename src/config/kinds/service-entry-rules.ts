import { Cidr } from '../../base/cidr.ts'
import { isFqdn, isIpLiteral } from '../names.ts'
import type { Reporter } from '../reporter.ts'
import type { Resource } from '../resource.ts'
import { checkExportTo } from './export-to-rules.ts'
import { checkHost } from './host-rules.ts'
import { checkSelector } from './label-rules.ts'
import { Place } from './place.ts'
import {
  checkPortNumber,
  checkProtocol,
  isHttpProtocol,
  isTlsProtocol,
  PROTOCOLS,
} from './port-rules.ts'
import { checkEndpoints, checkResolution } from './service-entry-resolution-rules.ts'
import type { ServiceEntrySpec } from './service-entry.ts'
import type { ValidationOptions } from './validation-options.ts'

const MAX_HOSTS = 256

export function validateServiceEntry(
  resource: Resource<ServiceEntrySpec>,
  reporter: Reporter,
  options: ValidationOptions,
): void {
  const { spec, metadata } = resource
  const place = new Place(reporter, options, ['spec'])
  checkHosts(place, spec)
  checkAddresses(place, spec)
  checkPorts(place, spec)
  checkResolution(place, spec)
  checkEndpoints(place, spec)
  if (spec.workloadSelector !== undefined) {
    if ((spec.endpoints?.length ?? 0) > 0) {
      place
        .at('workloadSelector')
        .error(
          'conflicting-fields',
          'only one of WorkloadSelector or Endpoints is allowed in Service Entry',
        )
    }
    checkSelector(place.at('workloadSelector', 'labels'), spec.workloadSelector.labels)
  }
  checkExportTo(place.at('exportTo'), spec.exportTo, {
    namespace: metadata.namespace,
    nobody: true,
  })
}

function checkHosts(place: Place, spec: ServiceEntrySpec): void {
  const hosts = spec.hosts ?? []
  if (hosts.length === 0) {
    place.at('hosts').error('missing-field', 'service entry must have at least one host')
  } else if (hosts.length > MAX_HOSTS) {
    place
      .at('hosts')
      .error(
        'too-many-hosts',
        `service entry must have at most ${MAX_HOSTS} hosts, has ${hosts.length}`,
        'split it, or use a wildcard',
      )
  }
  const seen = new Set<string>()
  place.each('hosts', hosts, (host, at) => {
    if (host === '*') {
      at.error('invalid-host', 'invalid host *', 'a bare * is refused here; name a domain: *.x')
    } else if (checkHost(at, host) && isIpLiteral(host)) {
      at.error(
        'invalid-host',
        `invalid host "${host}": hosts are names`,
        'put addresses in addresses',
      )
    }
    if (seen.has(host.toLowerCase())) {
      at.warning('duplicate-service-host', `host "${host}" is listed twice`)
    }
    seen.add(host.toLowerCase())
  })
}

function checkAddresses(place: Place, spec: ServiceEntrySpec): void {
  const resolution = spec.resolution ?? 'NONE'
  place.each('addresses', spec.addresses, (text, at) => {
    const block = Cidr.parse(text)
    if (block === null) {
      at.error('invalid-address', `"${text}" is not a valid IP address or CIDR block`)
      return
    }
    if (text.includes('/') && resolution !== 'NONE' && resolution !== 'STATIC') {
      at.error(
        'cidr-with-dns',
        'CIDR addresses are allowed only for NONE/STATIC resolution types',
        'list single addresses',
      )
    }
    if (!block.hadHostBits) return
    at.warning(
      'cidr-host-bits',
      `"${text}" has bits set behind the prefix: it is read as ${block.toString()}`,
      `write ${block.toString()}, or the address without /${block.prefix} if one address is meant`,
    )
  })
}

function checkPorts(place: Place, spec: ServiceEntrySpec): void {
  const ports = spec.ports ?? []
  if (ports.length === 0) {
    place
      .at('ports')
      .warning(
        'service-without-ports',
        'a service entry without ports cannot be reached',
        'add ports with number, name and protocol',
      )
  }
  const numbers = new Set<number>()
  const names = new Set<string>()
  place.each('ports', ports, (port, at) => {
    const number = port.number ?? 0
    checkPortNumber(at.at('number'), number)
    if (numbers.has(number)) {
      at.at('number').error('duplicate-port', `service entry port number ${number} already defined`)
    }
    numbers.add(number)
    checkPortName(at, port.name ?? '', names)
    checkProtocol(at.at('protocol'), emptyAsAbsent(port.protocol), PROTOCOLS.serviceEntry)
    if (port.protocol?.toUpperCase() === 'UDP') {
      at.at('protocol').warning('udp-not-served', 'UDP is not proxied: the port is left out')
    }
    if (port.targetPort !== undefined && port.targetPort !== 0) {
      checkPortNumber(at.at('targetPort'), port.targetPort)
    }
  })
  checkOpaquePorts(place, spec)
}

function emptyAsAbsent(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

function checkPortName(place: Place, name: string, names: Set<string>): void {
  const at = place.at('name')
  if (name === '') {
    at.error('missing-field', 'service entry port name is required', 'e.g. name: http')
    return
  }
  if (!isFqdn(name)) at.error('invalid-port-name', `port name "${name}" is invalid`)
  if (names.has(name)) {
    at.error('duplicate-port-name', `service entry port name "${name}" already defined`)
  }
  names.add(name)
}

/** On an opaque port nothing tells several hosts apart. */
function checkOpaquePorts(place: Place, spec: ServiceEntrySpec): void {
  const hosts = spec.hosts ?? []
  if (hosts.length < 2 || (spec.resolution ?? 'NONE') === 'NONE') return
  const opaque = (spec.ports ?? []).find(
    ({ protocol }) => !isHttpProtocol(protocol) && !isTlsProtocol(protocol),
  )
  if (opaque === undefined) return
  place
    .at('hosts')
    .error(
      'hosts-on-opaque-port',
      'multiple hosts provided with non-HTTP, non-TLS ports',
      `port ${opaque.number ?? '?'} carries bytes without a host name; write one ServiceEntry per host, ` +
        'or set its protocol',
    )
}
