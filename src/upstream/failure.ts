/** Envoy's response flags that an upstream can cause. */
export type ResponseFlag =
  | 'NR'
  | 'NC'
  | 'UH'
  | 'UF'
  | 'UC'
  | 'UR'
  | 'LR'
  | 'UO'
  | 'UT'
  | 'URX'
  | 'UPE'
  | 'DC'
  | 'DPE'
  | 'SI'
  | 'FI'
  | 'DI'
  | 'RL'
  | 'RLSE'
  | 'DF'
  | 'DT'
  | 'OM'
  | 'UAEX'
  | 'UMSDR'

export type FailureType =
  | 'connect-refused'
  | 'connect-timeout'
  | 'connect-error'
  | 'tls-error'
  | 'dns-failure'
  | 'reset-before-headers'
  | 'reset-after-headers'
  | 'protocol-error'
  | 'overflow'
  | 'no-endpoint'
  | 'timeout'
  | 'refused-stream'
  /** The resolved address is one the proxy must not dial (loopback, link-local, metadata ...). */
  | 'address-refused'

/**
 * One upstream error, classified once. `retryable`: `always` (no byte reached the upstream),
 * `if-reused` (the connection was an idle one that the peer may have closed just then), `no`.
 */
export interface UpstreamFailure {
  readonly type: FailureType
  readonly flag: ResponseFlag
  /** Status of the local answer when nothing was sent downstream yet. */
  readonly status: number
  readonly retryable: 'always' | 'if-reused' | 'no'
  /** Short reason as Envoy prints it: `connection failure`, `connection termination`, `overflow` ... */
  readonly resetReason: string
  /** Detail for the log (`delayed connect error: 111`, `TLS_error: ...`), or ''. */
  readonly transportReason: string
  readonly cause: unknown
}
