import { randomInt } from 'node:crypto'
import { type Answer, CHECKING_DISABLED, decode, encode, RECURSION_DESIRED } from 'dns-packet'
import type { Now } from '../base/clock.ts'
import { AnswerCache } from './answer-cache.ts'
import {
  type Answered,
  type DnsAnswerRecord,
  type DnsQuery,
  failed,
  HEADER_BYTES,
  isTruncated,
  optRecord,
  RCODE,
} from './message.ts'
import { askByTcp, askByUdp, type Cancel, type IsAnswer, type NameServer } from './name-server.ts'

/** One question to one server. */
const TRY_TIMEOUT_MS = 2_000
/** Clients give up after five seconds (resolv.conf(5)). */
const TOTAL_TIMEOUT_MS = 4_500
/** How often each server is asked. */
const ROUNDS = 2
const MAX_SERVERS = 3
/** Questions being asked at the same time, each with a socket; more fail at once. */
export const MAX_FORWARDS = 512
/** Longer answers are passed on and not kept. */
export const MAX_KEPT_BYTES = 4_096
const MAX_ID = 65_536

export interface ForwarderOptions {
  /** Asked for at every question: they may change. */
  readonly servers: () => readonly NameServer[]
  readonly now?: Now
}

export interface Forwarded {
  readonly answered: Answered
  readonly fromCache: boolean
}

/** Asks name servers what is not known here; one question is asked once however many wait for it. */
export class Forwarder {
  readonly #servers: () => readonly NameServer[]
  readonly #cache: AnswerCache
  readonly #running: Map<string, Promise<Answered>>
  readonly #cancels: Set<Cancel>
  #closed: boolean

  constructor(options: ForwarderOptions) {
    this.#servers = options.servers
    this.#cache = new AnswerCache(options.now)
    this.#running = new Map()
    this.#cancels = new Set()
    this.#closed = false
  }

  /** Never rejects: SERVFAIL when nobody answers. */
  async forward(query: DnsQuery): Promise<Forwarded> {
    const { question, name, dnssec, checkingDisabled } = query
    const key = `${question.type} ${dnssec ? 'D' : ''}${checkingDisabled ? 'C' : ''} ${name}`
    const cached = this.#cache.find(key)
    if (cached !== null) return { answered: cached, fromCache: true }
    const running = this.#running.get(key)
    if (running !== undefined) {
      const answered = await running.catch(() => failed(RCODE.servFail))
      return { answered, fromCache: false }
    }
    if (this.#closed || this.#running.size >= MAX_FORWARDS) {
      return { answered: failed(RCODE.servFail), fromCache: false }
    }
    const asking = this.#ask(query, key)
    this.#running.set(key, asking)
    try {
      return { answered: await asking, fromCache: false }
    } catch {
      // No socket could be opened, or the question cannot be written again.
      return { answered: failed(RCODE.servFail), fromCache: false }
    } finally {
      this.#running.delete(key)
    }
  }

  close(): void {
    this.#closed = true
    for (const cancel of this.#cancels) cancel()
    this.#cache.clear()
  }

  async #ask(query: DnsQuery, key: string): Promise<Answered> {
    const servers = this.#servers().slice(0, MAX_SERVERS)
    const deadline = performance.now() + TOTAL_TIMEOUT_MS
    let last = failed(RCODE.servFail)
    for (let turn = 0; turn < servers.length * ROUNDS; turn++) {
      const left = deadline - performance.now()
      if (this.#closed || left <= 0) break
      const server = servers[turn % servers.length]
      const message = server === undefined ? null : await this.#askServer(server, query, left)
      if (message === null) continue
      const answered = answerOf(message, query)
      if (answered === null) continue
      last = answered
      if (answered.rcode === RCODE.noError || answered.rcode === RCODE.nxDomain) {
        if (message.length <= MAX_KEPT_BYTES && !this.#closed) this.#cache.keep(key, answered)
        return answered
      }
    }
    // Only what a name server's own failure means to a client is told on (RFC 8906 aside).
    const failure = failed(last.rcode === RCODE.refused ? RCODE.refused : RCODE.servFail)
    if (!this.#closed) this.#cache.keep(key, failure)
    return failure
  }

  /** By UDP, then by TCP if it was cut off; without EDNS for a server that does not know it. */
  async #askServer(server: NameServer, query: DnsQuery, leftMs: number): Promise<Buffer | null> {
    for (const edns of [true, false]) {
      const id = randomInt(MAX_ID)
      const bytes = questionOf(query, id, edns)
      const isAnswer = answers(query, id)
      const timeoutMs = Math.min(leftMs, TRY_TIMEOUT_MS)
      const reply = await this.#within(timeoutMs, (settle) =>
        askByUdp(server, bytes, isAnswer, settle),
      )
      if (reply === null) return null
      if (isTruncated(reply)) {
        return this.#within(timeoutMs, (settle) => askByTcp(server, bytes, isAnswer, settle))
      }
      const rcode = reply.readUInt16BE(2) & 0xf
      // RFC 6891 7: old servers answer so when they see an OPT record.
      if (!edns || (rcode !== RCODE.formErr && rcode !== RCODE.notImp)) return reply
    }
    return null
  }

  #within(
    timeoutMs: number,
    start: (settle: (answer: Buffer | null) => void) => Cancel,
  ): Promise<Buffer | null> {
    return new Promise((resolve) => {
      const cancel = start((answer) => {
        clearTimeout(timer)
        this.#cancels.delete(cancel)
        resolve(answer)
      })
      const timer = setTimeout(cancel, timeoutMs)
      this.#cancels.add(cancel)
    })
  }
}

function questionOf(
  { question, checkingDisabled, dnssec }: DnsQuery,
  id: number,
  edns: boolean,
): Buffer {
  return encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED | (checkingDisabled ? CHECKING_DISABLED : 0),
    questions: [question],
    additionals: edns ? [optRecord(dnssec, 0)] : [],
  })
}

/** RFC 5452 9.1: the id and the question have to be ours. */
function answers({ name, question }: DnsQuery, id: number): IsAnswer {
  return (message) => {
    if (message.length < HEADER_BYTES || message.readUInt16BE(0) !== id) return false
    try {
      const packet = decode(message)
      if (packet.type !== 'response') return false
      const [asked] = packet.questions ?? []
      // Servers that refuse a query may leave the question out.
      if (asked === undefined) return (packet.flags ?? 0) % 16 !== RCODE.noError
      return asked.name.toLowerCase() === name && asked.type === question.type
    } catch {
      // Cut off in the middle of a record.
      return isTruncated(message)
    }
  }
}

function answerOf(message: Buffer, { dnssec }: DnsQuery): Answered | null {
  try {
    const packet = decode(message)
    const answerList = (packet.answers ?? []).filter(isRecord)
    const authorities = (packet.authorities ?? []).filter(isRecord)
    const rcode = message.readUInt16BE(2) & 0xf
    // Who is responsible for the zone is nothing to a stub resolver; it only takes room.
    const negative = answerList.length === 0 || rcode !== RCODE.noError
    const kept = dnssec ? authorities : authorities.filter(({ type }) => negative && type === 'SOA')
    return { rcode, answers: answerList, authorities: kept, authoritative: false }
  } catch {
    return null
  }
}

function isRecord(record: Answer): record is DnsAnswerRecord {
  return record.type !== 'OPT'
}
