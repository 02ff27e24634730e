import type { RepeatedHeads } from '../http/repeated-head.ts'
import type { H1Connection } from './h1-connection.ts'

/** The pool that owns a connection. */
export interface ConnectionOwner {
  /** Of the answers on all of its connections. */
  readonly heads: RepeatedHeads
  /** The answer is complete and the connection may take another request now. */
  onConnectionIdle(connection: H1Connection): void
  /** The connection is gone, or will take no further request. Exactly once. */
  onConnectionClosed(connection: H1Connection): void
}
