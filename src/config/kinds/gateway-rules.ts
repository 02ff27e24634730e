import { isDnsLabel, isIpLiteral, splitNamespacedHost } from '../names.ts'
import type { Reporter } from '../reporter.ts'
import type { Resource } from '../resource.ts'
import type { GatewayServer, GatewaySpec } from './gateway.ts'
import {
  acmeAnnotations,
  checkAcmeAnnotations,
  checkOrderedHosts,
  wantsOrderedCertificates,
} from './acme-annotations.ts'
import { checkDottedHost } from './host-rules.ts'
import { checkSelector } from './label-rules.ts'
import { Place } from './place.ts'
import {
  checkPortNumber,
  checkProtocol,
  isHttpProtocol,
  isTlsProtocol,
  PROTOCOLS,
} from './port-rules.ts'
import { checkServerTls } from './server-tls-rules.ts'
import type { ValidationOptions } from './validation-options.ts'

export function validateGateway(
  resource: Resource<GatewaySpec>,
  reporter: Reporter,
  options: ValidationOptions,
): void {
  const { spec, metadata } = resource
  const place = new Place(reporter, options, ['spec'])
  if (!isDnsLabel(metadata.name)) {
    new Place(reporter, options, ['metadata', 'name']).error(
      'invalid-resource-name',
      `invalid gateway name: "${metadata.name}"`,
      'use letters, digits and dashes, at most 63',
    )
  }
  checkGatewaySelector(place, spec)
  const servers = spec.servers ?? []
  if (servers.length === 0) {
    place.at('servers').error('missing-field', 'gateway must have at least one server')
  }
  checkAcmeAnnotations(
    new Place(reporter, options, ['metadata', 'annotations']),
    metadata.annotations,
  )
  const acme = acmeAnnotations(metadata.annotations) !== null
  place.each('servers', servers, (server, at) =>
    checkServer(server, at, acme && wantsOrderedCertificates(server)),
  )
  checkPortNames(place, servers)
}

function checkGatewaySelector(place: Place, spec: GatewaySpec): void {
  checkSelector(place.at('selector'), spec.selector)
  if (Object.keys(spec.selector ?? {}).length > 0) return
  place
    .at('selector')
    .info(
      'gateway-selects-all',
      'a Gateway without selector applies to every gateway of every namespace',
      'name the gateway it is for, e.g. selector: {istio: ingressgateway}',
    )
}

function checkPortNames(place: Place, servers: readonly GatewayServer[]): void {
  const seen = new Set<string>()
  place.each('servers', servers, (server, at) => {
    const name = server.port?.name
    if (name === undefined || name === '') return
    if (seen.has(name)) {
      at.at('port', 'name').error(
        'duplicate-port-name',
        `port names in servers must be unique: duplicate name ${name}`,
      )
    }
    seen.add(name)
  })
}

function checkServer(server: GatewayServer, place: Place, ordered: boolean): void {
  const unixSocket = server.bind?.startsWith('unix://') === true
  checkServerPort(place.at('port'), server.port, unixSocket)
  checkBind(place.at('bind'), server.bind, unixSocket)
  const hosts = server.hosts ?? []
  if (hosts.length === 0) {
    place
      .at('hosts')
      .error(
        'missing-field',
        'server config must contain at least one host',
        'write hosts: ["*"] to accept every host',
      )
  }
  place.each('hosts', hosts, (host, at) => checkServerHost(at, host))
  checkTlsPresence(place, server, ordered)
  if (ordered) checkOrderedHosts(place, server)
}

function checkServerPort(place: Place, port: GatewayServer['port'], unixSocket: boolean): void {
  if (port === undefined) {
    place.error('missing-field', 'port is required')
    return
  }
  const number = port.number ?? 0
  if (!unixSocket) checkPortNumber(place.at('number'), number)
  else if (number !== 0) {
    place
      .at('number')
      .error('invalid-port', `port number must be 0 for unix domain socket: ${number}`)
  }
  if (port.protocol === undefined || port.protocol === '') {
    place
      .at('protocol')
      .error(
        'invalid-protocol',
        `invalid protocol "", supported protocols are ${PROTOCOLS.gateway.join(', ')}`,
      )
  } else checkProtocol(place.at('protocol'), port.protocol, PROTOCOLS.gateway)
  if (port.name === undefined || port.name === '') {
    place.at('name').error('missing-field', `port name must be set: ${number}`)
  }
  if (port.targetPort !== undefined) {
    place
      .at('targetPort')
      .error(
        'target-port-on-gateway',
        'targetPort has no impact on Gateways',
        'remove it; the target port is that of the Service that selects the gateway',
      )
  }
}

function checkBind(place: Place, bind: string | undefined, unixSocket: boolean): void {
  if (bind === undefined || bind === '' || isIpLiteral(bind)) return
  if (!unixSocket) {
    place.error('invalid-address', `invalid IP address "${bind}"`, 'bind takes an IP address')
    return
  }
  place.error(
    'unix-bind-not-served',
    'a Gateway server cannot listen on a unix socket here',
    'bind to an IP address, or leave bind out for all addresses',
  )
}

/** `dns`, `ns/dns`, `./dns`, or a star before the slash for any namespace. */
function checkServerHost(place: Place, text: string): void {
  const { namespace, host } = splitNamespacedHost(text)
  if (namespace === '' || host === '') {
    place.error(
      'invalid-host',
      `config namespace and dnsName in host entry cannot be empty: "${text}"`,
    )
    return
  }
  if (namespace !== null && namespace !== '.' && namespace !== '*' && !isDnsLabel(namespace)) {
    place.error('invalid-host', `invalid namespace value "${namespace}" in "${text}"`)
  }
  checkDottedHost(place, host)
}

function checkTlsPresence(place: Place, server: GatewayServer, ordered: boolean): void {
  const protocol = server.port?.protocol
  const tls = server.tls
  if (isTlsProtocol(protocol)) {
    if (tls !== undefined) checkServerTls(place.at('tls'), tls, ordered)
    else {
      place
        .at('tls')
        .error(
          'missing-field',
          'server must have TLS settings for HTTPS/TLS protocols',
          'add tls with mode and credentialName',
        )
    }
    return
  }
  if (tls === undefined) return
  if (!isHttpProtocol(protocol)) {
    place
      .at('tls')
      .error('tls-on-plain-port', 'server cannot have TLS settings for non HTTPS/TLS ports')
    return
  }
  const extra = Object.entries(tls).filter(
    ([field, value]) =>
      field !== 'httpsRedirect' &&
      !(field === 'mode' && value === 'PASSTHROUGH') &&
      !isEmpty(value),
  )
  if (extra.length === 0) return
  place
    .at('tls')
    .error(
      'tls-on-plain-port',
      'server cannot have TLS settings for plain text HTTP ports',
      'only tls.httpsRedirect makes sense there; write protocol: HTTPS to serve TLS',
    )
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
}
