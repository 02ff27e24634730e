/** gRPC health checking protocol v1: one request message, one small answer. */
export const GRPC_HEALTH_PATH = '/grpc.health.v1.Health/Check'

/** Length prefix of a gRPC message: a flag byte and four bytes of length. */
const PREFIX_BYTES = 5
/** HealthCheckRequest.service and HealthCheckResponse.status are field 1 each. */
const SERVICE_TAG = 0x0a
const STATUS_TAG = 0x08

const STATUS_NAMES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']
const SERVING = 'SERVING'

/** HealthCheckRequest as one length-prefixed message; `service` has at most 127 ASCII letters. */
export function healthRequest(service: string): Buffer {
  const name = Buffer.from(service)
  const body = name.length === 0 ? name : Buffer.concat([Buffer.of(SERVICE_TAG, name.length), name])
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32BE(body.length, 1)
  return Buffer.concat([prefix, body])
}

/** What is wrong with a length-prefixed HealthCheckResponse, or '' when it says SERVING. */
export function healthAnswerProblem(message: Buffer): string {
  if (message.length < PREFIX_BYTES) return 'no message in the answer'
  const end = PREFIX_BYTES + message.readUInt32BE(1)
  if (message[0] !== 0 || message.length !== end) return 'the answer is no gRPC message'
  // proto3 leaves the zero value out: an empty message says UNKNOWN.
  const [tag = STATUS_TAG, status = 0] = message.subarray(PREFIX_BYTES)
  if (tag !== STATUS_TAG) return 'the answer is no HealthCheckResponse'
  const name = STATUS_NAMES[status] ?? String(status)
  return name === SERVING ? '' : `the service says ${name}`
}
