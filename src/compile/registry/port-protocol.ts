/**
 * What a service port speaks. `auto`: configuration does not say, so both HTTP and opaque bytes are
 * possible. gRPC and h2c count as http2.
 */
export type PortProtocol = 'http' | 'http2' | 'https' | 'tls' | 'tcp' | 'auto'

const BY_NAME: Readonly<Record<string, PortProtocol>> = {
  http: 'http',
  http2: 'http2',
  h2c: 'http2',
  grpc: 'http2',
  'grpc-web': 'http2',
  https: 'https',
  tls: 'tls',
  tcp: 'tcp',
  mongo: 'tcp',
  mysql: 'tcp',
  redis: 'tcp',
  'kubernetes.io/h2c': 'http2',
  'kubernetes.io/ws': 'http',
  'kubernetes.io/wss': 'https',
}

/** Ports whose servers speak first, so that Istio never waits for a client's first bytes there. */
const SERVER_FIRST_PORTS = new Set([25, 53, 853, 3306, 27017])

/** Kubernetes Service port: appProtocol, else the prefix of the port's name, else `auto`. */
export function serviceProtocol(port: {
  readonly port?: number
  readonly name?: string
  readonly appProtocol?: string
}): PortProtocol {
  const declared = port.appProtocol?.toLowerCase()
  if (declared !== undefined && declared in BY_NAME) return BY_NAME[declared] ?? 'auto'
  const name = port.name?.toLowerCase() ?? ''
  const prefix = name.startsWith('grpc-web') ? 'grpc-web' : (name.split('-')[0] ?? '')
  if (prefix in BY_NAME) return BY_NAME[prefix] ?? 'auto'
  return SERVER_FIRST_PORTS.has(port.port ?? 0) ? 'tcp' : 'auto'
}

/** ServiceEntry port protocol. */
export function declaredProtocol(protocol: string | undefined): PortProtocol {
  return BY_NAME[protocol?.toLowerCase() ?? ''] ?? 'auto'
}

/** Is plain HTTP of any version spoken there, as far as configuration knows? */
export function isHttp(protocol: PortProtocol): boolean {
  return protocol === 'http' || protocol === 'http2' || protocol === 'auto'
}
