import { UNIT_SECONDS } from '../limit.ts'
import { literal } from '../literal.ts'
import type { LimitOverride, ServiceDescriptor, ServiceRequest } from '../wire/request-message.ts'
import {
  type DescriptorStatus,
  OK,
  OVER_LIMIT,
  type ServiceResponse,
} from '../wire/response-message.ts'
import { type RateUnit, unitOf } from '../wire/unit.ts'

type Json = Readonly<Record<string, unknown>>

/** A RateLimitRequest in protobuf JSON; a string says what is wrong. */
export function readRequest(text: string): ServiceRequest | string {
  try {
    return requestOf(parsed(text))
  } catch (error) {
    if (error instanceof Wrong) return error.message
    throw error
  }
}

class Wrong extends Error {}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Wrong('the body is no JSON')
  }
}

function requestOf(value: unknown): ServiceRequest {
  const request = objectOf(value, 'the body', ['domain', 'descriptors', 'hitsAddend'])
  return {
    domain: textOf(request['domain'], 'domain'),
    descriptors: listOf(request['descriptors'], 'descriptors').map(descriptorOf),
    hitsAddend: numberOf(request['hitsAddend'], 'hitsAddend') ?? 0,
  }
}

function descriptorOf(value: unknown): ServiceDescriptor {
  const descriptor = objectOf(value, 'a descriptor', ['entries', 'limit', 'hitsAddend'])
  const entries: string[] = []
  for (const item of listOf(descriptor['entries'], 'entries')) {
    const entry = objectOf(item, 'an entry', ['key', 'value'])
    entries.push(textOf(entry['key'], 'key'), textOf(entry['value'], 'value'))
  }
  const hitsAddend = numberOf(descriptor['hitsAddend'], 'hitsAddend')
  return { entries, limit: limitOf(descriptor['limit']), hitsAddend }
}

function limitOf(value: unknown): LimitOverride | null {
  if (value === undefined || value === null) return null
  const limit = objectOf(value, 'limit', ['requestsPerUnit', 'unit'])
  const requestsPerUnit = numberOf(limit['requestsPerUnit'], 'requestsPerUnit') ?? 0
  const unit = limit['unit']
  const known =
    typeof unit === 'number'
      ? unitOf(unit)
      : typeof unit === 'string' && Object.hasOwn(UNIT_SECONDS, unit)
        ? (unit as RateUnit)
        : null
  if (known === null) throw new Wrong('the limit of a descriptor has no unit')
  return { requestsPerUnit, unit: known }
}

/** Both spellings of field names, as protobuf JSON has them. */
function objectOf(value: unknown, what: string, fields: readonly string[]): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Wrong(`${what} is not an object`)
  }
  const object: Record<string, unknown> = {}
  for (const [name, item] of Object.entries(value)) {
    const camel = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    if (!fields.includes(camel)) throw new Wrong(`unknown field "${name.slice(0, MAX_SHOWN)}"`)
    object[camel] = item
  }
  return object
}

const MAX_SHOWN = 100

function listOf(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return []
  if (Array.isArray(value)) return value
  throw new Wrong(`${what} is not a list`)
}

function textOf(value: unknown, what: string): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'string') return literal(value)
  throw new Wrong(`${what} is not a string`)
}

/** Numbers may be written as text. */
function numberOf(value: unknown, what: string): number | null {
  if (value === undefined || value === null) return null
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value
  if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0) return number
  throw new Wrong(`${what} is not a whole number`)
}

/** A RateLimitResponse in protobuf JSON: fields that say nothing are left out. */
export function writeResponse(response: ServiceResponse): string {
  const { statuses, responseHeaders } = response
  const headers: Json[] = []
  for (let i = 0; i + 1 < responseHeaders.length; i += 2) {
    headers.push({ key: responseHeaders[i], value: responseHeaders[i + 1] })
  }
  return JSON.stringify({
    ...code('overallCode', response.code),
    ...(statuses.length === 0 ? {} : { statuses: statuses.map(statusOf) }),
    ...(headers.length === 0 ? {} : { responseHeadersToAdd: headers }),
  })
}

function code(name: string, value: number): Json {
  if (value === OK) return { [name]: 'OK' }
  return value === OVER_LIMIT ? { [name]: 'OVER_LIMIT' } : {}
}

function statusOf({ code: own, limit, remaining, resetSeconds }: DescriptorStatus): Json {
  return {
    ...code('code', own),
    ...(limit === null ? {} : { currentLimit: limitJson(limit) }),
    ...(remaining === 0 ? {} : { limitRemaining: remaining }),
    ...(resetSeconds === 0 ? {} : { durationUntilReset: `${resetSeconds}s` }),
  }
}

function limitJson({ requestsPerUnit, unit, name }: NonNullable<DescriptorStatus['limit']>): Json {
  return {
    ...(name === '' ? {} : { name: Buffer.from(name, 'latin1').toString('utf8') }),
    ...(requestsPerUnit === 0 ? {} : { requestsPerUnit }),
    ...(unit === null ? {} : { unit }),
  }
}
