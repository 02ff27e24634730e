import { isUtf8 } from 'node:buffer'
import { bytesField, numberField, textField, varint } from './proto-bytes.ts'
import { ProtoReader } from './proto-reader.ts'
import { type RateUnit, unitOf } from './unit.ts'

/** RateLimitRequest of envoy.service.ratelimit.v3. Texts are bytes, one latin1 character each. */
export interface ServiceRequest {
  readonly domain: string
  readonly descriptors: readonly ServiceDescriptor[]
  /** For descriptors that say nothing themselves; 0 means 1. */
  readonly hitsAddend: number
}

export interface ServiceDescriptor {
  /** Key, value, key, value. */
  readonly entries: string[]
  /** Takes the place of the configured limit, or null. */
  readonly limit: LimitOverride | null
  /** null: the request's; 0 looks without counting. */
  readonly hitsAddend: number | null
}

export interface LimitOverride {
  readonly requestsPerUnit: number
  readonly unit: RateUnit
}

const REQUEST = { domain: 1, descriptors: 2, hitsAddend: 3 } as const
const DESCRIPTOR = { entries: 1, limit: 2, hitsAddend: 3 } as const
const ENTRY = { key: 1, value: 2 } as const
const LIMIT = { requestsPerUnit: 1, unit: 2 } as const
/** google.protobuf.UInt64Value */
const WRAPPED_VALUE = 1

/** The part of a request that is the same for all requests of a route. */
export function encodeDomain(domain: string): string {
  return textField(REQUEST.domain, domain)
}

/** `hits` null: one. */
export function encodeDescriptor(entries: readonly string[], hits: number | null): string {
  let descriptor = ''
  for (let i = 0; i + 1 < entries.length; i += 2) {
    const entry = textField(ENTRY.key, entries[i]!) + textField(ENTRY.value, entries[i + 1]!)
    descriptor += bytesField(DESCRIPTOR.entries, entry)
  }
  if (hits !== null) {
    descriptor += bytesField(DESCRIPTOR.hitsAddend, `\x08${varint(hits)}`)
  }
  return bytesField(REQUEST.descriptors, descriptor)
}

export function encodeHits(hits: number): string {
  return numberField(REQUEST.hitsAddend, hits)
}

/** The request, or what is wrong with the bytes. */
export function decodeRequest(bytes: Buffer): ServiceRequest | string {
  const reader = new ProtoReader(bytes)
  const descriptors: ServiceDescriptor[] = []
  let domain = ''
  let hitsAddend = 0
  while (reader.next()) {
    switch (reader.field) {
      case REQUEST.domain:
        if (!isUtf8(reader.bytes)) return 'domain is not UTF-8'
        domain = reader.text
        break
      case REQUEST.descriptors: {
        const descriptor = decodeDescriptor(reader.bytes)
        if (typeof descriptor === 'string') return descriptor
        descriptors.push(descriptor)
        break
      }
      case REQUEST.hitsAddend:
        hitsAddend = reader.uint32
        break
      default: // Fields of later versions have no meaning here.
    }
  }
  return reader.failed ? BROKEN : { domain, descriptors, hitsAddend }
}

const BROKEN = 'the message is not a RateLimitRequest'

function decodeDescriptor(bytes: Buffer): ServiceDescriptor | string {
  const reader = new ProtoReader(bytes)
  const entries: string[] = []
  let limit: LimitOverride | null = null
  let hitsAddend: number | null = null
  while (reader.next()) {
    if (reader.field === DESCRIPTOR.entries) {
      const broken = decodeEntry(reader.bytes, entries)
      if (broken !== null) return broken
    } else if (reader.field === DESCRIPTOR.limit) {
      const override = decodeLimit(reader.bytes)
      if (typeof override === 'string') return override
      limit = override
    } else if (reader.field === DESCRIPTOR.hitsAddend) {
      hitsAddend = decodeWrapped(reader.bytes)
      if (hitsAddend === null) return BROKEN
    }
  }
  return reader.failed ? BROKEN : { entries, limit, hitsAddend }
}

function decodeEntry(bytes: Buffer, entries: string[]): string | null {
  const reader = new ProtoReader(bytes)
  let key = ''
  let value = ''
  while (reader.next()) {
    if (reader.field !== ENTRY.key && reader.field !== ENTRY.value) continue
    if (!isUtf8(reader.bytes)) return 'a descriptor entry is not UTF-8'
    if (reader.field === ENTRY.key) key = reader.text
    else value = reader.text
  }
  if (reader.failed) return BROKEN
  entries.push(key, value)
  return null
}

function decodeLimit(bytes: Buffer): LimitOverride | string {
  const reader = new ProtoReader(bytes)
  let requestsPerUnit = 0
  let number = 0
  while (reader.next()) {
    if (reader.field === LIMIT.requestsPerUnit) requestsPerUnit = reader.uint32
    else if (reader.field === LIMIT.unit) number = reader.uint32
  }
  if (reader.failed) return BROKEN
  const unit = unitOf(number)
  return unit === null ? `the limit of a descriptor has no unit` : { requestsPerUnit, unit }
}

function decodeWrapped(bytes: Buffer): number | null {
  const reader = new ProtoReader(bytes)
  let value = 0
  while (reader.next()) if (reader.field === WRAPPED_VALUE) value = reader.number
  return reader.failed ? null : value
}
