import { bytesField, numberField, textField } from './proto-bytes.ts'
import { ProtoReader } from './proto-reader.ts'
import { type RateUnit, unitNumber, unitOf } from './unit.ts'

export const UNKNOWN = 0
export const OK = 1
export const OVER_LIMIT = 2
export type ServiceCode = typeof UNKNOWN | typeof OK | typeof OVER_LIMIT

/** RateLimitResponse of envoy.service.ratelimit.v3. Texts are bytes, one latin1 character each. */
export interface ServiceResponse {
  readonly code: ServiceCode
  /** One for each descriptor of the request. */
  readonly statuses: readonly DescriptorStatus[]
  /** Name, value, name, value. */
  readonly responseHeaders: readonly string[]
  readonly requestHeaders: readonly string[]
  readonly body: Buffer
}

export interface DescriptorStatus {
  readonly code: ServiceCode
  readonly limit: StatusLimit | null
  readonly remaining: number
  /** Whole seconds, rounded up. */
  readonly resetSeconds: number
}

export interface StatusLimit {
  readonly requestsPerUnit: number
  /** null: the service did not say. */
  readonly unit: RateUnit | null
  readonly name: string
}

const RESPONSE = { code: 1, statuses: 2, responseHeaders: 3, requestHeaders: 4, body: 5 } as const
const STATUS = { code: 1, limit: 2, remaining: 3, reset: 4 } as const
const LIMIT = { requestsPerUnit: 1, unit: 2, name: 3 } as const
const DURATION = { seconds: 1, nanos: 2 } as const
const HEADER = { key: 1, value: 2, rawValue: 3 } as const

/** Statuses and header fields that are looked at; what a service sends beyond them is not. */
const MAX_STATUSES = 1000
const MAX_HEADERS = 100

/** An int64 beyond is negative. */
const MAX_SECONDS = 2 ** 62

export function encodeResponse(response: ServiceResponse): string {
  let bytes = numberField(RESPONSE.code, response.code)
  for (const status of response.statuses) {
    bytes += bytesField(RESPONSE.statuses, encodeStatus(status))
  }
  const headers = response.responseHeaders
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const header = textField(HEADER.key, headers[i]!) + textField(HEADER.value, headers[i + 1]!)
    bytes += bytesField(RESPONSE.responseHeaders, header)
  }
  return bytes
}

function encodeStatus({ code, limit, remaining, resetSeconds }: DescriptorStatus): string {
  let bytes = numberField(STATUS.code, code)
  if (limit !== null) {
    const { requestsPerUnit, unit, name } = limit
    const number = unit === null ? 0 : unitNumber(unit)
    bytes += bytesField(
      STATUS.limit,
      numberField(LIMIT.requestsPerUnit, requestsPerUnit) +
        numberField(LIMIT.unit, number) +
        textField(LIMIT.name, name),
    )
  }
  bytes += numberField(STATUS.remaining, remaining)
  if (resetSeconds > 0) {
    bytes += bytesField(STATUS.reset, numberField(DURATION.seconds, resetSeconds))
  }
  return bytes
}

/** null: the bytes are no RateLimitResponse. */
export function decodeResponse(bytes: Buffer): ServiceResponse | null {
  const reader = new ProtoReader(bytes)
  const statuses: DescriptorStatus[] = []
  const responseHeaders: string[] = []
  const requestHeaders: string[] = []
  let code: ServiceCode = UNKNOWN
  let body = Buffer.alloc(0)
  let sound = true
  while (sound && reader.next()) {
    switch (reader.field) {
      case RESPONSE.code:
        code = codeOf(reader.uint32)
        break
      case RESPONSE.statuses:
        if (statuses.length < MAX_STATUSES) sound = decodeStatus(reader.bytes, statuses)
        break
      case RESPONSE.responseHeaders:
        sound = decodeHeader(reader.bytes, responseHeaders)
        break
      case RESPONSE.requestHeaders:
        sound = decodeHeader(reader.bytes, requestHeaders)
        break
      case RESPONSE.body:
        body = Buffer.from(reader.bytes)
        break
      default: // dynamic_metadata and quota mean nothing here.
    }
  }
  if (!sound || reader.failed) return null
  return { code, statuses, responseHeaders, requestHeaders, body }
}

function codeOf(number: number): ServiceCode {
  return number === OK || number === OVER_LIMIT ? number : UNKNOWN
}

function decodeStatus(bytes: Buffer, into: DescriptorStatus[]): boolean {
  const reader = new ProtoReader(bytes)
  let code: ServiceCode = UNKNOWN
  let limit: StatusLimit | null = null
  let remaining = 0
  let resetSeconds: number | null = 0
  while (reader.next()) {
    if (reader.field === STATUS.code) code = codeOf(reader.uint32)
    else if (reader.field === STATUS.limit) {
      limit = decodeLimit(reader.bytes)
      if (limit === null) return false
    } else if (reader.field === STATUS.remaining) remaining = reader.uint32
    else if (reader.field === STATUS.reset) {
      resetSeconds = decodeDuration(reader.bytes)
      if (resetSeconds === null) return false
    }
  }
  into.push({ code, limit, remaining, resetSeconds })
  return !reader.failed
}

function decodeLimit(bytes: Buffer): StatusLimit | null {
  const reader = new ProtoReader(bytes)
  let requestsPerUnit = 0
  let unit: RateUnit | null = null
  let name = ''
  while (reader.next()) {
    if (reader.field === LIMIT.requestsPerUnit) requestsPerUnit = reader.uint32
    else if (reader.field === LIMIT.unit) unit = unitOf(reader.uint32)
    else if (reader.field === LIMIT.name) name = reader.text
  }
  return reader.failed ? null : { requestsPerUnit, unit, name }
}

function decodeDuration(bytes: Buffer): number | null {
  const reader = new ProtoReader(bytes)
  let seconds = 0
  while (reader.next()) {
    if (reader.field === DURATION.seconds) seconds += reader.number
    else if (reader.field === DURATION.nanos && reader.number > 0) seconds += 1
  }
  if (reader.failed) return null
  return seconds > MAX_SECONDS ? 0 : seconds
}

function decodeHeader(bytes: Buffer, into: string[]): boolean {
  const reader = new ProtoReader(bytes)
  let name = ''
  let value = ''
  let raw = ''
  while (reader.next()) {
    if (reader.field === HEADER.key) name = reader.text
    else if (reader.field === HEADER.value) value = reader.text
    else if (reader.field === HEADER.rawValue) raw = reader.text
  }
  if (reader.failed) return false
  if (into.length < 2 * MAX_HEADERS) into.push(name, raw === '' ? value : raw)
  return true
}
