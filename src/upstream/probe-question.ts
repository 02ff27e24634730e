/** What a health check asks of an endpoint. */
export type ProbeQuestion =
  | {
      readonly kind: 'http'
      /** Path with query. */
      readonly path: string
      /** Host of the request. */
      readonly host: string
      /** Inclusive ranges of good statuses. */
      readonly statuses: readonly (readonly [from: number, to: number])[]
      readonly http2: boolean
    }
  /** The connection itself (TLS handshake included, where there is TLS) is the answer. */
  | { readonly kind: 'tcp' }
  /** grpc.health.v1.Health/Check; `service` '' asks for the server as a whole. */
  | { readonly kind: 'grpc'; readonly service: string; readonly host: string }
