import type { ServerWritableStream } from '@grpc/grpc-js'
import {
  decodeHealthRequest,
  encodeHealthResponse,
  NOT_SERVING,
  SERVICE_UNKNOWN,
  SERVING,
  type ServingStatus,
} from '../wire/health-message.ts'
import { messageOf } from '../wire/proto-bytes.ts'

/** Names that may be asked for: the server, and the one service it has. */
const SERVICES: readonly string[] = ['', 'envoy.service.ratelimit.v3.RateLimitService']

/** gRPC status codes. */
const INVALID_ARGUMENT = 3
const RESOURCE_EXHAUSTED = 8

/** Callers that follow the state at once. */
const MAX_WATCHERS = 1000

type Watcher = ServerWritableStream<Buffer, Buffer>

/**
 * Whether requests are taken (grpc.health.v1). Counters that are away do not count: every replica
 * would go at once, and callers know what to do about errors.
 */
export class Health {
  #serving = true
  readonly #watchers = new Set<Watcher>()

  get serving(): boolean {
    return this.#serving
  }

  statusOf(service: string): ServingStatus {
    if (!SERVICES.includes(service)) return SERVICE_UNKNOWN
    return this.#serving ? SERVING : NOT_SERVING
  }

  /** Says the state now and whenever it changes. */
  watch(call: Watcher): void {
    const service = decodeHealthRequest(call.request)
    if (service === null || this.#watchers.size >= MAX_WATCHERS) {
      const code = service === null ? INVALID_ARGUMENT : RESOURCE_EXHAUSTED
      call.emit('error', { code, details: 'the health of this server cannot be watched' })
      return
    }
    call.write(messageOf(encodeHealthResponse(this.statusOf(service))))
    if (this.statusOf(service) === SERVICE_UNKNOWN) return
    this.#watchers.add(call)
    const leave = (): void => void this.#watchers.delete(call)
    call.on('cancelled', leave)
    call.on('close', leave)
    call.on('error', leave)
  }

  /** No new requests are wanted. Watchers are told, then let go. */
  leave(): void {
    if (!this.#serving) return
    this.#serving = false
    for (const watcher of this.#watchers) {
      watcher.write(messageOf(encodeHealthResponse(NOT_SERVING)))
    }
  }

  /** Calls that never end by themselves end. */
  endWatches(): void {
    for (const watcher of this.#watchers) watcher.end()
    this.#watchers.clear()
  }
}
