import type { Headers } from '../http/headers.ts'

const TIMEOUT = 'grpc-timeout'
/** Digits that the field may have (gRPC over HTTP/2, `TimeoutValue`). */
const MAX_DIGITS = 8
const MAX_VALUE = 99_999_999

/** The client's deadline, milliseconds rounded up; 0 when it has none or none that can be read. */
export function grpcTimeoutMs(headers: Headers): number {
  const text = headers.get(TIMEOUT)
  if (text === null || text.length < 2 || text.length > MAX_DIGITS + 1) return 0
  let value = 0
  for (let i = 0; i < text.length - 1; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return 0
    value = value * 10 + digit
  }
  return Math.ceil(value * unitMs(text.charCodeAt(text.length - 1)))
}

/** Tells the upstream how long the gateway will wait. */
export function setGrpcTimeout(headers: Headers, timeoutMs: number): void {
  headers.set(
    TIMEOUT,
    timeoutMs <= MAX_VALUE
      ? `${timeoutMs}m`
      : `${Math.min(MAX_VALUE, Math.ceil(timeoutMs / 1000))}S`,
  )
}

/** Milliseconds of a unit letter; 0 for none. */
function unitMs(letter: number): number {
  switch (letter) {
    case 0x48: // H
      return 3_600_000
    case 0x4d: // M
      return 60_000
    case 0x53: // S
      return 1000
    case 0x6d: // m
      return 1
    case 0x75: // u
      return 0.001
    case 0x6e: // n
      return 0.000_001
    default:
      return 0
  }
}
