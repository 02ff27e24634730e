import type { Forwarder } from './forwarder.ts'
import { type Answered, type DnsAnswerRecord, type DnsQuery, failed, RCODE } from './message.ts'
import { type LocalAnswer, NameTable } from './name-table.ts'
import { AutoAddresses } from './auto-addresses.ts'

/** Who knew the answer. */
export type AnswerSource = 'local' | 'cache' | 'forwarded' | 'refused'

export interface Response {
  readonly answered: Answered
  readonly source: AnswerSource
}

/** Addresses of the configuration may change at any time: clients ask again soon. */
export const LOCAL_TTL_SECONDS = 30
const ANY_TTL_SECONDS = 3_600
/** Transfers, and queries about the transport: nothing a client of ours asks. */
const REFUSED_TYPES: ReadonlySet<string> = new Set([
  'AXFR',
  'IXFR',
  'MAILA',
  'MAILB',
  'OPT',
  'TKEY',
  'TSIG',
])
/** SVCB and HTTPS (RFC 9460): their hints would lead past the addresses given here. */
const SERVICE_BINDINGS: ReadonlySet<string> = new Set(['SVCB', 'HTTPS', 'UNKNOWN_64', 'UNKNOWN_65'])

/** Decides what is answered to a question: from the table, or by asking on. */
export class Responder {
  /** Replaced with every generation. */
  table: NameTable
  readonly #forwarder: Forwarder

  constructor(forwarder: Forwarder) {
    this.table = new NameTable([], new AutoAddresses())
    this.#forwarder = forwarder
  }

  /** Never rejects. */
  async respond(query: DnsQuery): Promise<Response> {
    const { question, name } = query
    const refused = refusal(query)
    if (refused !== null) return { answered: refused, source: 'refused' }
    const known = this.table.find(name)
    if (known !== null) {
      if (question.type === 'A' || question.type === 'AAAA') return this.#known(query, known)
      if (SERVICE_BINDINGS.has(question.type)) {
        return { answered: noData(question.name), source: 'local' }
      }
    }
    return this.#ask(query)
  }

  async #known(query: DnsQuery, known: LocalAnswer): Promise<Response> {
    const { question } = query
    const { name } = question
    if (known.alias !== null) return this.#alias(query, known.alias)
    const type = question.type === 'A' ? 'A' : 'AAAA'
    const addresses = type === 'A' ? known.v4 : known.v6
    if (addresses.length === 0) return { answered: noData(name), source: 'local' }
    const answers = addresses.map((data): DnsAnswerRecord => ({
      type,
      name,
      class: 'IN',
      ttl: LOCAL_TTL_SECONDS,
      data,
    }))
    return {
      answered: { rcode: RCODE.noError, answers, authorities: [], authoritative: true },
      source: 'local',
    }
  }

  /** The CNAME, with what name servers know of its target: never our own table, which may lead back. */
  async #alias(query: DnsQuery, target: string): Promise<Response> {
    const { question } = query
    const cname: DnsAnswerRecord = {
      type: 'CNAME',
      name: question.name,
      class: 'IN',
      ttl: LOCAL_TTL_SECONDS,
      data: target,
    }
    const onward: DnsQuery = { ...query, name: target, question: { ...question, name: target } }
    const { answered } = await this.#forwarder.forward(onward)
    return {
      answered: { ...answered, answers: [cname, ...answered.answers], authoritative: false },
      source: 'local',
    }
  }

  async #ask(query: DnsQuery): Promise<Response> {
    // RFC 1035 4.1.1: who does not desire recursion is told what is known here, and that is nothing.
    if (!query.recursionDesired) return { answered: failed(RCODE.refused), source: 'refused' }
    const { answered, fromCache } = await this.#forwarder.forward(query)
    return { answered, source: fromCache ? 'cache' : 'forwarded' }
  }
}

/** Questions that are answered without looking anything up, or null. */
function refusal({ question }: DnsQuery): Answered | null {
  if (question.class !== undefined && question.class !== 'IN') return failed(RCODE.refused)
  // The library's types leave out what may be asked for only.
  const type: string = question.type
  if (REFUSED_TYPES.has(type)) return failed(RCODE.refused)
  if (type !== 'ANY') return null
  // RFC 8482 4.2: a small answer, for the large one serves attackers only.
  const hint: DnsAnswerRecord = {
    type: 'HINFO',
    name: question.name,
    class: 'IN',
    ttl: ANY_TTL_SECONDS,
    data: { cpu: 'RFC8482', os: '' },
  }
  return { ...failed(RCODE.noError), answers: [hint] }
}

/** The name is there, a record of this type is not; the SOA says how long to remember it (RFC 2308). */
function noData(name: string): Answered {
  const soa: DnsAnswerRecord = {
    type: 'SOA',
    name,
    class: 'IN',
    ttl: LOCAL_TTL_SECONDS,
    data: {
      mname: 'tidegate.invalid',
      rname: 'nobody.invalid',
      serial: 1,
      refresh: 3_600,
      retry: 600,
      expire: 86_400,
      minimum: LOCAL_TTL_SECONDS,
    },
  }
  return { rcode: RCODE.noError, answers: [], authorities: [soa], authoritative: true }
}
