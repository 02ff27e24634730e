import type { UpstreamFailure } from '../upstream/failure.ts'
import { NO_ENDPOINT, OVERFLOW } from '../upstream/failures.ts'
import type { ConnectionPool, PooledConnection } from '../upstream/pool.ts'
import type {
  UpstreamAttempt,
  UpstreamHandler,
  UpstreamRequest,
  UpstreamStream,
} from '../upstream/transport.ts'
import { Waiter } from '../upstream/waiter.ts'
import type { Cluster } from './cluster.ts'
import { Endpoint } from './endpoint.ts'
import type { PickContext } from './pick.ts'

/** An attempt that knows where it goes, also when it never got there. */
export interface ClusterAttempt extends UpstreamAttempt {
  /** `address:port` of the picked endpoint, '' when none was. For `PickContext.tried`. */
  readonly remote: string
}

/** An attempt that was refused before it began; it says so in the next tick. */
export class RefusedAttempt implements ClusterAttempt {
  readonly remote: string
  readonly #handler: UpstreamHandler
  readonly #failure: UpstreamFailure
  #aborted: boolean

  constructor(remote: string, handler: UpstreamHandler, failure: UpstreamFailure) {
    this.remote = remote
    this.#handler = handler
    this.#failure = failure
    this.#aborted = false
    process.nextTick(fire, this)
  }

  abort(): void {
    this.#aborted = true
  }

  fire(): void {
    if (!this.#aborted) this.#handler.onUpstreamFailure(this.#failure)
  }
}

function fire(attempt: RefusedAttempt): void {
  attempt.fire()
}

const WAITING = 0
/** Within the call that starts the stream: the handler may give up from inside. */
const STARTING = 1
const STARTED = 2
const OVER = 3
type Progress = typeof WAITING | typeof STARTING | typeof STARTED | typeof OVER

/** A request that waits for a connection, then the handle of its stream. */
export class RequestAttempt extends Waiter implements ClusterAttempt {
  readonly #cluster: Cluster
  readonly #request: UpstreamRequest
  readonly #handler: UpstreamHandler
  readonly #context: PickContext
  #endpoint: Endpoint
  #stream: UpstreamStream | null
  #progress: Progress

  constructor(
    cluster: Cluster,
    request: UpstreamRequest,
    handler: UpstreamHandler,
    picked: { readonly context: PickContext; readonly endpoint: Endpoint },
  ) {
    super()
    this.#cluster = cluster
    this.#request = request
    this.#handler = handler
    this.#context = picked.context
    this.#endpoint = picked.endpoint
    this.#stream = null
    this.#progress = WAITING
    this.#endpoint.waiting++
  }

  get remote(): string {
    return this.#endpoint.key
  }

  abort(): void {
    if (this.#progress === WAITING) this.giveUp()
    else if (this.#stream !== null) this.#stream.abort()
    this.#progress = OVER
  }

  /** Ends the waiting without a word. */
  giveUp(): void {
    this.#stopWaiting(OVER)
    this.#cluster.budget.leave(this)
  }

  override onConnection(connection: PooledConnection): boolean {
    const owner = connection.pool.owner
    if (owner instanceof Endpoint) this.#moveTo(owner)
    if (!this.#cluster.budget.admitsRequest()) {
      this.#stopWaiting(OVER)
      this.#cluster.counters.rqPendingOverflow++
      this.#handler.onUpstreamFailure(OVERFLOW)
      return false
    }
    this.#stopWaiting(STARTING)
    const stream = connection.start(this.#request, this.#handler, this.#endpoint)
    this.#stream = stream
    if (this.#isOver()) stream.abort()
    else this.#progress = STARTED
    return true
  }

  override onConnectFailure(failure: UpstreamFailure): void {
    this.#stopWaiting(OVER)
    this.#handler.onUpstreamFailure(failure)
  }

  override accepts(pool: ConnectionPool): boolean {
    const owner = pool.owner
    if (owner === this.#endpoint) return pool === this.#pool()
    if (!(owner instanceof Endpoint) || !owner.available || owner.gone || pool.retired) return false
    const tried = this.#context.tried
    if (tried !== null && tried.includes(owner.key)) return false
    return this.#cluster.mayMove(pool, this.#request)
  }

  override choosePool(): ConnectionPool | null {
    if (this.#endpoint.gone || !this.#endpoint.available) {
      const other = this.#cluster.pickEndpoint(this.#context)
      if (other === null) {
        this.onConnectFailure(NO_ENDPOINT)
        return null
      }
      this.#moveTo(other)
    }
    return this.#pool()
  }

  #stopWaiting(progress: Progress): void {
    this.#endpoint.waiting--
    this.#progress = progress
  }

  #isOver(): boolean {
    return this.#progress === OVER
  }

  #pool(): ConnectionPool {
    return this.#cluster.poolOf(this.#endpoint, this.#request, this.#context)
  }

  #moveTo(endpoint: Endpoint): void {
    if (endpoint === this.#endpoint) return
    this.#endpoint.waiting--
    this.#endpoint = endpoint
    endpoint.waiting++
  }
}
