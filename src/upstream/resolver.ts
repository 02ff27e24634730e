import { lookup as lookupSystem, Resolver as DnsResolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { monotonicNow, type Now } from '../base/clock.ts'
import { canonicalAddress } from './canonical-address.ts'
import { HostsFile } from './hosts-file.ts'

/** One query to one server; the second try waits twice as long (c-ares). */
export const QUERY_TIMEOUT_MS = 2_000
const QUERY_TRIES = 2
/** After one family answered, the other gets this long (RFC 8305 3, Resolution Delay). */
const OTHER_FAMILY_DELAY_MS = 50
const MIN_TTL_MS = 1_000
const MAX_TTL_MS = 3_600_000
/** A name that failed is not asked for again before. */
const FAILURE_TTL_MS = 500
export const MAX_CACHED_NAMES = 4_096
/** Names being looked up at the same time; more are refused. */
export const MAX_LOOKUPS = 1_024
export const MAX_ADDRESSES = 256
const DNS_PORT = 53

export interface Resolved {
  readonly ok: true
  /** IPv4 before IPv6, as the answers had them. Never empty. */
  readonly addresses: readonly string[]
  /** How long the answer may be used from now on: 1 s to 1 h, Infinity for a literal. */
  readonly ttlMs: number
}

export interface ResolveFailure {
  readonly ok: false
  /** c-ares code: `ENOTFOUND` (NXDOMAIN), `ENODATA`, `ESERVFAIL`, `ETIMEOUT` ... */
  readonly code: string
  readonly message: string
}

export type Resolution = Resolved | ResolveFailure

export interface ResolverOptions {
  /** Name servers as `host[:port]`; empty: the system's. With any, nothing is looked up elsewhere. */
  readonly servers: readonly string[]
  /** Honour /etc/hosts and `localhost`. Default: only when `servers` is empty. */
  readonly hostsFile?: boolean
  readonly now?: Now
}

interface CacheEntry {
  readonly resolution: Resolution
  readonly expiresAtMs: number
}

/**
 * The one door for names to become addresses. Answers are kept for their TTL, and one question is
 * asked once however many wait for it. Asks name servers itself: no thread of libuv's pool blocks.
 */
export class Resolver {
  readonly #servers: readonly string[]
  readonly #hosts: HostsFile | null
  readonly #now: Now
  readonly #cache: Map<string, CacheEntry>
  readonly #running: Map<string, Promise<Resolution>>
  #dns: Promise<DnsResolver> | null
  #closed: boolean

  constructor(options: ResolverOptions) {
    this.#servers = options.servers
    this.#now = options.now ?? monotonicNow
    const hostsFile = options.hostsFile ?? options.servers.length === 0
    this.#hosts = hostsFile ? new HostsFile('/etc/hosts', this.#now) : null
    this.#cache = new Map()
    this.#running = new Map()
    this.#dns = null
    this.#closed = false
  }

  /** What is known without asking: a literal, a static name or a cached answer; else null. */
  known(host: string): Resolution | null {
    const literal = canonicalAddress(host)
    if (literal !== null) return { ok: true, addresses: [literal], ttlMs: Infinity }
    const name = canonicalName(host)
    const entry = this.#cache.get(name)
    const now = this.#now()
    if (entry !== undefined && entry.expiresAtMs > now) return entry.resolution
    return this.#static(name)
  }

  /** Never rejects. */
  resolve(host: string): Promise<Resolution> {
    const known = this.known(host)
    if (known === null) return this.#coalesce(canonicalName(host))
    if (!known.ok || known.ttlMs === Infinity) return Promise.resolve(known)
    const entry = this.#cache.get(canonicalName(host))
    const ttlMs = entry === undefined ? known.ttlMs : entry.expiresAtMs - this.#now()
    return Promise.resolve({ ok: true, addresses: known.addresses, ttlMs })
  }

  /** Cancels what is asked; later questions fail. */
  close(): void {
    this.#closed = true
    this.#cache.clear()
    void this.#dns?.then((dns) => dns.cancel())
  }

  #static(name: string): Resolution | null {
    if (this.#hosts === null) return null
    const addresses = this.#hosts.lookup(name)
    if (addresses !== null) return { ok: true, addresses: sorted(addresses), ttlMs: MIN_TTL_MS }
    if (name !== 'localhost' && !name.endsWith('.localhost')) return null
    return { ok: true, addresses: ['127.0.0.1', '::1'], ttlMs: MAX_TTL_MS }
  }

  #coalesce(name: string): Promise<Resolution> {
    const running = this.#running.get(name)
    if (running !== undefined) return running
    if (this.#closed) return Promise.resolve(refused('ECANCELLED', name))
    if (this.#running.size >= MAX_LOOKUPS) return Promise.resolve(refused('EBUSY', name))
    const lookup = this.#ask(name).then((resolution) => {
      this.#running.delete(name)
      if (!this.#closed) this.#keep(name, resolution)
      return resolution
    })
    this.#running.set(name, lookup)
    return lookup
  }

  #keep(name: string, resolution: Resolution): void {
    this.#cache.delete(name)
    if (this.#cache.size >= MAX_CACHED_NAMES) {
      const oldest = this.#cache.keys().next()
      if (oldest.done !== true) this.#cache.delete(oldest.value)
    }
    const ttlMs = resolution.ok ? resolution.ttlMs : FAILURE_TTL_MS
    this.#cache.set(name, { resolution, expiresAtMs: this.#now() + ttlMs })
  }

  async #ask(name: string): Promise<Resolution> {
    try {
      this.#dns ??= openDns(this.#servers)
      const dns = await this.#dns
      const v4 = askFamily(dns.resolve4(name, { ttl: true }))
      const v6 = askFamily(dns.resolve6(name, { ttl: true }))
      return await merge(name, v4, v6)
    } catch (error) {
      // The name servers themselves cannot be used: try to open them again next time.
      this.#dns = null
      return { ok: false, code: codeOf(error), message: `${name}: ${messageOf(error)}` }
    }
  }
}

interface FamilyAnswer {
  readonly records: readonly { readonly address: string; readonly ttl: number }[]
  /** '' when the server answered, even with no records of this family. */
  readonly code: string
}

async function askFamily(
  query: Promise<readonly { address: string; ttl: number }[]>,
): Promise<FamilyAnswer> {
  try {
    return { records: await query, code: '' }
  } catch (error) {
    return { records: [], code: codeOf(error) }
  }
}

async function merge(
  name: string,
  v4: Promise<FamilyAnswer>,
  v6: Promise<FamilyAnswer>,
): Promise<Resolution> {
  const first = await Promise.race([v4, v6])
  let timer: NodeJS.Timeout | null = null
  const both = Promise.all([v4, v6])
  if (first.records.length > 0) {
    const delay = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, OTHER_FAMILY_DELAY_MS)
    })
    await Promise.race([both, delay])
    if (timer !== null) clearTimeout(timer)
  } else {
    await both
  }
  const late: FamilyAnswer = { records: [], code: 'ETIMEOUT' }
  const answers = [await settledOr(v4, late), await settledOr(v6, late)]
  const records = answers.flatMap((answer) => answer.records).slice(0, MAX_ADDRESSES)
  if (records.length === 0) return refused(worstCode(answers), name)
  const ttl = records.reduce((least, record) => Math.min(least, record.ttl), Infinity)
  const ttlMs = Math.min(Math.max(ttl * 1_000, MIN_TTL_MS), MAX_TTL_MS)
  return { ok: true, addresses: records.map((record) => record.address), ttlMs }
}

function settledOr(answer: Promise<FamilyAnswer>, otherwise: FamilyAnswer): Promise<FamilyAnswer> {
  return Promise.race([answer, Promise.resolve(otherwise)])
}

/** A server that failed says more than one that had no record of the other family. */
function worstCode(answers: readonly FamilyAnswer[]): string {
  const codes = answers.map((answer) => answer.code)
  return (
    codes.find((code) => code !== 'ENODATA' && code !== 'ENOTFOUND' && code !== '') ?? codes[0]!
  )
}

async function openDns(servers: readonly string[]): Promise<DnsResolver> {
  const dns = new DnsResolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES })
  if (servers.length === 0) return dns
  const addresses: string[] = []
  for (const server of servers) {
    const { host, port } = splitServer(server)
    const address = isIP(host) === 0 ? (await lookupSystem(host)).address : host
    addresses.push(address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`)
  }
  dns.setServers(addresses)
  return dns
}

function splitServer(server: string): { host: string; port: number } {
  if (isIP(server) !== 0) return { host: server, port: DNS_PORT }
  const match = /^\[?([^\]]+?)\]?(?::(\d{1,5}))?$/.exec(server)
  return { host: match?.[1] ?? server, port: Number(match?.[2] ?? DNS_PORT) }
}

function canonicalName(host: string): string {
  const name = host.endsWith('.') ? host.slice(0, -1) : host
  return name.toLowerCase()
}

function sorted(addresses: readonly string[]): readonly string[] {
  return [...addresses].sort((a, b) => isIP(a) - isIP(b))
}

function refused(code: string, name: string): ResolveFailure {
  return { ok: false, code, message: `${name}: ${REASONS.get(code) ?? code}` }
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ['ENOTFOUND', 'the name does not exist (NXDOMAIN)'],
  ['ENODATA', 'the name has no address'],
  ['ESERVFAIL', 'the name server failed (SERVFAIL)'],
  ['ETIMEOUT', 'no name server answered in time'],
  ['ECONNREFUSED', 'the name server cannot be reached'],
  ['EBUSY', 'too many names are being looked up'],
])

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return 'EUNKNOWN'
  return typeof error.code === 'string' ? error.code : 'EUNKNOWN'
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
