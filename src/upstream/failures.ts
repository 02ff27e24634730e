import type { FailureType, ResponseFlag, UpstreamFailure } from './failure.ts'

/**
 * The one failure table: what each kind of upstream error means for the client (status, response
 * flag), for the retry policy and for the log. Reset reasons are the words Envoy prints.
 */
interface FailureRow {
  readonly flag: ResponseFlag
  readonly status: number
  readonly retryable: 'always' | 'if-reused' | 'no'
  readonly resetReason: string
}

const TABLE: Readonly<Record<FailureType, FailureRow>> = {
  'connect-refused': row('UF', 503, 'always', 'remote connection failure'),
  'connect-timeout': row('UF', 503, 'always', 'connection timeout'),
  'connect-error': row('UF', 503, 'always', 'remote connection failure'),
  'tls-error': row('UF', 503, 'always', 'remote connection failure'),
  'dns-failure': row('DF', 503, 'no', 'dns resolution failure'),
  'reset-before-headers': row('UC', 503, 'if-reused', 'connection termination'),
  'reset-after-headers': row('UC', 503, 'no', 'connection termination'),
  'protocol-error': row('UPE', 502, 'no', 'protocol error'),
  overflow: row('UO', 503, 'no', 'overflow'),
  'no-endpoint': row('UH', 503, 'no', 'no healthy upstream'),
  timeout: row('UT', 504, 'no', 'response timeout'),
  'refused-stream': row('UR', 503, 'always', 'remote refused stream reset'),
  'address-refused': row('UF', 502, 'no', 'local connection failure'),
}

function row(
  flag: ResponseFlag,
  status: number,
  retryable: 'always' | 'if-reused' | 'no',
  resetReason: string,
): FailureRow {
  return { flag, status, retryable, resetReason }
}

/** One classified error. The fields other than type, detail and cause come from the table. */
export class Failure implements UpstreamFailure {
  readonly type: FailureType
  readonly flag: ResponseFlag
  readonly status: number
  readonly retryable: 'always' | 'if-reused' | 'no'
  readonly resetReason: string
  readonly transportReason: string
  readonly cause: unknown

  constructor(type: FailureType, row: FailureRow, transportReason: string, cause: unknown) {
    this.type = type
    this.flag = row.flag
    this.status = row.status
    this.retryable = row.retryable
    this.resetReason = row.resetReason
    this.transportReason = transportReason
    this.cause = cause
  }
}

/** A failure of this type; `transportReason` is the detail for the log, '' for none. */
export function failure(
  type: FailureType,
  transportReason: string = '',
  cause: unknown = null,
): UpstreamFailure {
  return new Failure(type, TABLE[type], transportReason, cause)
}

/** The peer reset one HTTP/2 stream (RST_STREAM) rather than closing the connection: UR. */
export function remoteReset(type: 'reset-before-headers' | 'reset-after-headers'): UpstreamFailure {
  return new Failure(type, REMOTE_RESET, '', null)
}

const REMOTE_RESET: FailureRow = row('UR', 503, 'no', 'remote reset')

/** The last check refused to write our own request: 500, and a bug to find. */
export function refusedRequest(): UpstreamFailure {
  return new Failure('protocol-error', REFUSED_REQUEST, 'request failed the last check', null)
}

const REFUSED_REQUEST: FailureRow = row('UPE', 500, 'no', 'protocol error')

/** Failures without detail are shared: refusing under overload allocates nothing. */
export const OVERFLOW: UpstreamFailure = failure('overflow')
export const NO_ENDPOINT: UpstreamFailure = failure('no-endpoint')
/** A new connection would take one of the open files kept for other things (FileReserve). */
export const NO_FILE: UpstreamFailure = failure('overflow', 'no open file left for connections')

/** A raw connection reached maxConnectionDuration (Envoy's DURATION_TIMEOUT). */
export const TOO_OLD: UpstreamFailure = new Failure(
  'reset-after-headers',
  row('DT', 503, 'no', 'max connection duration'),
  '',
  null,
)

/** No byte passed in either direction for connectionPool.tcp.idleTimeout. */
export const TUNNEL_IDLE: UpstreamFailure = new Failure(
  'reset-after-headers',
  row('SI', 503, 'no', 'tcp session idle timeout'),
  '',
  null,
)

/** Errnos of a connect that the peer, or a router on the way, answered or never answered. */
const CONNECT_TYPES: ReadonlyMap<string, FailureType> = new Map([
  ['ECONNREFUSED', 'connect-refused'],
  ['ETIMEDOUT', 'connect-timeout'],
  ['EMFILE', 'overflow'],
  ['ENFILE', 'overflow'],
])

/** Classifies the error event of a socket that was not connected yet. */
export function connectFailure(reported: unknown): UpstreamFailure {
  // Several addresses were tried: the first one's error stands for all.
  const error: unknown = reported instanceof AggregateError ? reported.errors[0] : reported
  const code = errorCode(error)
  const type = CONNECT_TYPES.get(code) ?? 'connect-error'
  return failure(type, `delayed connect error: ${errorNumber(error) ?? messageOf(error)}`, error)
}

/** Classifies an error between the TCP connect and the end of the TLS handshake. */
export function tlsFailure(error: unknown): UpstreamFailure {
  const code = errorCode(error)
  if (code === 'ECONNRESET' || code === 'EPIPE') {
    const reason = 'TLS_error: the peer closed the connection during the handshake'
    return failure('tls-error', reason, error)
  }
  return failure('tls-error', `TLS_error: ${tlsReason(code, error)}`, error)
}

function tlsReason(code: string, error: unknown): string {
  const check = VERIFY_CHECKS.get(code)
  if (check !== undefined) return `CERTIFICATE_VERIFY_FAILED: ${check} (${code})`
  if (code.startsWith('ERR_SSL_')) return code.slice('ERR_SSL_'.length)
  return code === '' ? messageOf(error) : `${code}: ${messageOf(error)}`
}

/** Which certificate check failed, in words; codes are OpenSSL's X509_V_ERR names. */
const VERIFY_CHECKS: ReadonlyMap<string, string> = new Map([
  ['UNABLE_TO_GET_ISSUER_CERT', 'the issuer of the certificate is not trusted'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'the issuer of the certificate is not trusted'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'the issuer of the certificate is not trusted'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'the root of the chain is not trusted'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'the certificate is self-signed and not trusted'],
  ['CERT_HAS_EXPIRED', 'the certificate has expired'],
  ['CERT_NOT_YET_VALID', 'the certificate is not yet valid'],
  ['CERT_REVOKED', 'the certificate is revoked'],
  ['CERT_SIGNATURE_FAILURE', 'the signature of the certificate is wrong'],
  ['UNABLE_TO_GET_CRL', 'no revocation list of its issuer is given'],
  ['CRL_HAS_EXPIRED', 'the revocation list has expired'],
  ['CRL_NOT_YET_VALID', 'the revocation list is not yet valid'],
  ['CRL_SIGNATURE_FAILURE', 'the signature of the revocation list is wrong'],
  ['CERT_UNTRUSTED', 'the certificate is not trusted for this use'],
  ['CERT_REJECTED', 'the certificate is rejected for this use'],
  ['INVALID_PURPOSE', 'the certificate is not one for servers'],
  ['INVALID_CA', 'a CA certificate of the chain is invalid'],
  ['CERT_CHAIN_TOO_LONG', 'the certificate chain is too long'],
  ['HOSTNAME_MISMATCH', 'no subject alternative name matches'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'no subject alternative name matches'],
])

function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  return typeof error.code === 'string' ? error.code : ''
}

function errorNumber(error: unknown): number | null {
  if (typeof error !== 'object' || error === null || !('errno' in error)) return null
  return typeof error.errno === 'number' ? Math.abs(error.errno) : null
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
