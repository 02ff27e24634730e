import { numberField, textField } from './proto-bytes.ts'
import { ProtoReader } from './proto-reader.ts'

/** grpc.health.v1.HealthCheckResponse.ServingStatus */
export const SERVING = 1
export const NOT_SERVING = 2
export const SERVICE_UNKNOWN = 3
export type ServingStatus = typeof SERVING | typeof NOT_SERVING | typeof SERVICE_UNKNOWN

const SERVICE = 1
const STATUS = 1

/** HealthCheckRequest; '' asks for the server as a whole. */
export function encodeHealthRequest(service: string): string {
  return textField(SERVICE, service)
}

/** The service asked for, or null when the bytes are no HealthCheckRequest. */
export function decodeHealthRequest(bytes: Buffer): string | null {
  const reader = new ProtoReader(bytes)
  let service = ''
  while (reader.next()) if (reader.field === SERVICE) service = reader.text
  return reader.failed ? null : service
}

export function encodeHealthResponse(status: ServingStatus): string {
  return numberField(STATUS, status)
}

/** Whether a HealthCheckResponse says SERVING. */
export function isServing(bytes: Buffer): boolean {
  const reader = new ProtoReader(bytes)
  let status = 0
  while (reader.next()) if (reader.field === STATUS) status = reader.number
  return !reader.failed && status === SERVING
}
