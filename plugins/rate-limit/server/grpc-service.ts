import type {
  handleUnaryCall,
  sendUnaryData,
  ServerUnaryCall,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js'
import {
  decodeHealthRequest,
  encodeHealthResponse,
  SERVICE_UNKNOWN,
} from '../wire/health-message.ts'
import { bytesAsTheyAre, HEALTH_CHECK, HEALTH_WATCH, SHOULD_RATE_LIMIT } from '../wire/methods.ts'
import { messageOf } from '../wire/proto-bytes.ts'
import { decodeRequest } from '../wire/request-message.ts'
import { encodeResponse, type ServiceResponse } from '../wire/response-message.ts'
import { answerTimeMs } from './answer-time.ts'
import type { Asker, Decider } from './decider.ts'
import type { Health } from './health.ts'

function method(path: string, responseStream: boolean): ServiceDefinition[string] {
  return {
    path,
    requestStream: false,
    responseStream,
    requestSerialize: bytesAsTheyAre,
    requestDeserialize: bytesAsTheyAre,
    responseSerialize: bytesAsTheyAre,
    responseDeserialize: bytesAsTheyAre,
  }
}

/** The methods that are served, with messages as bytes. */
export const RATE_LIMIT_METHODS: ServiceDefinition = {
  shouldRateLimit: method(SHOULD_RATE_LIMIT, false),
}
export const HEALTH_METHODS: ServiceDefinition = {
  check: method(HEALTH_CHECK, false),
  watch: method(HEALTH_WATCH, true),
}

/** gRPC status codes. */
const INVALID_ARGUMENT = 3
const NOT_FOUND = 5
const UNAVAILABLE = 14

type Call = ServerUnaryCall<Buffer, Buffer>

/** One caller of ShouldRateLimit. */
class GrpcAsker implements Asker {
  readonly #call: Call
  readonly #done: sendUnaryData<Buffer>

  constructor(call: Call, done: sendUnaryData<Buffer>) {
    this.#call = call
    this.#done = done
  }

  decided(response: ServiceResponse): void {
    if (!this.#call.cancelled) this.#done(null, messageOf(encodeResponse(response)))
  }

  unavailable(): void {
    this.refuse(UNAVAILABLE, 'the counters cannot be reached')
  }

  refuse(code: number, details: string): void {
    if (!this.#call.cancelled) this.#done({ code, details })
  }
}

/** envoy.service.ratelimit.v3.RateLimitService */
export function rateLimitHandlers(decider: Decider): UntypedServiceImplementation {
  const shouldRateLimit: handleUnaryCall<Buffer, Buffer> = (call, done) => {
    const asker = new GrpcAsker(call, done)
    const request = decodeRequest(call.request)
    const wrong =
      typeof request === 'string'
        ? request
        : decider.ask(request, answerTimeMs(remainingMs(call)), asker)
    if (wrong !== null) asker.refuse(INVALID_ARGUMENT, wrong)
  }
  return { shouldRateLimit }
}

function remainingMs(call: Call): number {
  const deadline = call.getDeadline()
  return (typeof deadline === 'number' ? deadline : deadline.getTime()) - Date.now()
}

/** grpc.health.v1.Health */
export function healthHandlers(health: Health): UntypedServiceImplementation {
  const check: handleUnaryCall<Buffer, Buffer> = (call, done) => {
    const service = decodeHealthRequest(call.request)
    const state = service === null ? SERVICE_UNKNOWN : health.statusOf(service)
    if (state === SERVICE_UNKNOWN) {
      done({ code: NOT_FOUND, details: 'no such service' })
    } else done(null, messageOf(encodeHealthResponse(state)))
  }
  return { check, watch: (call: Parameters<Health['watch']>[0]) => health.watch(call) }
}
