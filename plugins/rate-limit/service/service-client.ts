import type { Client, ClientUnaryCall, ServiceError } from '@grpc/grpc-js'
import { isIP } from 'node:net'
import type { ServiceAddress } from '../../../src/filters/filter.ts'
import { grpcLibrary } from '../grpc-library.ts'
import { encodeHealthRequest, isServing } from '../wire/health-message.ts'
import { bytesAsTheyAre, HEALTH_CHECK, SHOULD_RATE_LIMIT } from '../wire/methods.ts'
import { messageOf } from '../wire/proto-bytes.ts'

/** Where a service is, and the name it is called by. */
export interface ServiceEndpoint {
  /** Addresses and names; a name stands for all the addresses it has. */
  readonly addresses: readonly ServiceAddress[]
  /** `:authority` of the calls, or '' for the address. */
  readonly authority: string
}

/** Answer of one call: bytes, or an error. */
export type CallDone = (error: ServiceError | null, answer: Buffer | undefined) => void

/** Something that can be given up. */
export interface OpenCall {
  cancel(): void
}

/** Names that are looked up, each with connections of its own. */
const MAX_CHANNELS = 8
/** A connection with a call open that answers no ping is given up after the two together. */
const KEEPALIVE_TIME_MS = 5000
const KEEPALIVE_TIMEOUT_MS = 2000
const RECONNECT_BASE_MS = 100
const RECONNECT_CAP_MS = 5000
/** How soon a name is looked up again after connections to it were lost. */
const RESOLVE_AGAIN_MS = 1000
const MAX_ANSWER_BYTES = 1 << 20
/** Never: a first request after a quiet hour would have to wait for a connection. */
const IDLE_MS = 2 ** 31 - 1
const PROBE_TIMEOUT_MS = 1000
/**
 * The service is told a little more than a request really waits: answers that came in while the
 * event loop was busy are read before the request gives up, which the library's own timer does not.
 */
const SLACK_MS = 100

const UNIMPLEMENTED = 12

/** Connections to all addresses of one rate limit service. */
export class ServiceClient {
  readonly #clients: readonly Client[]
  #turn = 0

  constructor(endpoint: ServiceEndpoint) {
    const { Client, credentials } = grpcLibrary()
    this.#clients = targetsOf(endpoint.addresses).map(
      (target) =>
        new Client(target, credentials.createInsecure(), {
          'grpc.service_config': '{"loadBalancingConfig":[{"round_robin":{}}]}',
          'grpc.service_config_disable_resolution': 1,
          'grpc.use_local_subchannel_pool': 1,
          'grpc.enable_retries': 0,
          'grpc.enable_channelz': 0,
          'grpc.enable_http_proxy': 0,
          'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
          'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
          'grpc.initial_reconnect_backoff_ms': RECONNECT_BASE_MS,
          'grpc.max_reconnect_backoff_ms': RECONNECT_CAP_MS,
          'grpc.dns_min_time_between_resolutions_ms': RESOLVE_AGAIN_MS,
          'grpc.client_idle_timeout_ms': IDLE_MS,
          'grpc.max_receive_message_length': MAX_ANSWER_BYTES,
          ...(endpoint.authority === '' ? {} : { 'grpc.default_authority': endpoint.authority }),
        }),
    )
  }

  /** Connects without waiting, so that the first request need not. */
  connect(): void {
    for (const client of this.#clients) client.getChannel().getConnectivityState(true)
  }

  shouldRateLimit(request: Buffer, timeoutMs: number, done: CallDone): OpenCall {
    return this.#call(SHOULD_RATE_LIMIT, request, timeoutMs + SLACK_MS, done)
  }

  /** Resolves when the service answers calls; one without health checks counts as well. */
  probe(): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = messageOf(encodeHealthRequest(''))
      this.#call(HEALTH_CHECK, request, PROBE_TIMEOUT_MS, (error, answer) => {
        if (error !== null && error.code !== UNIMPLEMENTED) reject(error)
        else if (error === null && answer !== undefined && !isServing(answer)) {
          reject(new Error('the service says it is not serving'))
        } else resolve()
      })
    })
  }

  close(): void {
    for (const client of this.#clients) client.close()
  }

  #call(method: string, message: Buffer, timeoutMs: number, done: CallDone): ClientUnaryCall {
    this.#turn = (this.#turn + 1) % this.#clients.length
    return this.#clients[this.#turn]!.makeUnaryRequest(
      method,
      bytesAsTheyAre,
      bytesAsTheyAre,
      message,
      { deadline: Date.now() + timeoutMs },
      done,
    )
  }
}

/** Addresses of one family share a channel; a name has its own. At least one. */
function targetsOf(addresses: readonly ServiceAddress[]): readonly string[] {
  const ofFamily = (family: number): readonly ServiceAddress[] =>
    addresses.filter(({ host }) => isIP(host) === family)
  const targets = ofFamily(0).map(({ host, port }) => `dns:///${host}:${port}`)
  const v4 = ofFamily(4).map(({ host, port }) => `${host}:${port}`)
  const v6 = ofFamily(6).map(({ host, port }) => `[${host}]:${port}`)
  if (v4.length > 0) targets.unshift(`ipv4:${v4.join(',')}`)
  if (v6.length > 0) targets.unshift(`ipv6:${v6.join(',')}`)
  return [...new Set(targets)].slice(0, MAX_CHANNELS)
}
