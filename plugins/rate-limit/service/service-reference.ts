import type { Fields } from '../fields.ts'

/** Which service `rate_limit_service` names. */
export interface ServiceReference {
  /** envoy_grpc.cluster_name; '' with a target. */
  readonly clusterName: string
  /** google_grpc.target_uri as host and port, or null. */
  readonly target: { readonly host: string; readonly port: number } | null
  /** envoy_grpc.authority; '' when it has none. */
  readonly authority: string
  /** For people. */
  readonly name: string
}

/** Reads `rate_limit_service`; null when it names no service (what is wrong is reported). */
export function readServiceReference(fields: Fields): ServiceReference | null {
  const service = fields.object('rateLimitService')
  const grpc = service?.object('grpcService') ?? null
  const envoy = grpc?.object('envoyGrpc') ?? null
  if (envoy !== null) {
    const clusterName = envoy.string('clusterName') ?? ''
    const authority = envoy.string('authority') ?? ''
    return clusterName === '' ? null : { clusterName, target: null, authority, name: clusterName }
  }
  const google = grpc?.object('googleGrpc') ?? null
  if (google === null) return null
  const uri = google.string('targetUri') ?? ''
  const target = targetOf(uri)
  if (target === null) {
    google.error('targetUri', `"${uri}" is no host:port`, 'Write a name or address and its port.')
    return null
  }
  if (google.has('channelCredentials')) {
    google.findings.unsupported(
      [...google.path, 'channelCredentials'],
      'channel_credentials are not supported: rate limit services are called without TLS',
    )
  }
  return { clusterName: '', target, authority: '', name: uri }
}

function targetOf(uri: string): { readonly host: string; readonly port: number } | null {
  const match = /^(?:dns:\/\/\/|ipv4:|ipv6:)?(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})$/.exec(
    uri,
  )
  if (match === null) return null
  const port = Number(match[3])
  return port === 0 || port > 65535 ? null : { host: match[1] ?? match[2] ?? '', port }
}
