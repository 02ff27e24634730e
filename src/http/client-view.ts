/** What the edge found out about the client of an exchange. */
export interface ClientView {
  /** Trusted client address without port. */
  readonly clientAddress: string
  readonly requestId: string
}
