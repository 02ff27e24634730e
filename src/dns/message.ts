import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  CHECKING_DISABLED,
  decode,
  encode,
  type OptAnswer,
  type Question,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from 'dns-packet'

/** RFC 1035 4.1.1, RFC 6891 6.1.3. */
export const RCODE = {
  noError: 0,
  formErr: 1,
  servFail: 2,
  nxDomain: 3,
  notImp: 4,
  refused: 5,
  badVers: 16,
} as const

/** A record of an answer: everything but OPT, which belongs to one hop. */
export type DnsAnswerRecord = Exclude<Answer, OptAnswer>

/** What is answered to a question. */
export interface Answered {
  readonly rcode: number
  readonly answers: readonly DnsAnswerRecord[]
  readonly authorities: readonly DnsAnswerRecord[]
  /** Told from our own table. */
  readonly authoritative: boolean
}

/** A query of a client, checked. */
export interface DnsQuery {
  readonly id: number
  readonly question: Question
  /** `question.name` in lower case. */
  readonly name: string
  readonly recursionDesired: boolean
  readonly checkingDisabled: boolean
  /** It has an OPT record. */
  readonly edns: boolean
  /** RFC 3225: the client wants DNSSEC records. */
  readonly dnssec: boolean
  /** The largest answer the client takes by UDP. */
  readonly payloadBytes: number
}

/** A message that gets an error at once; null where it gets nothing. */
export interface BadQuery {
  readonly rcode: number
  readonly reply: Buffer | null
}

export const HEADER_BYTES = 12
const QR_FLAG = 0x8000
const OPCODE_MASK = 0x7800
const RD_FLAG = 0x0100
const DO_FLAG = 0x8000
const MIN_PAYLOAD_BYTES = 512
/** RFC 9715: larger answers by UDP come in fragments, which get lost and can be forged. */
export const MAX_PAYLOAD_BYTES = 1232

/** Reads a query: RFC 1035 4.1, RFC 6891. Total. */
export function parseQuery(bytes: Buffer): DnsQuery | BadQuery {
  if (bytes.length < HEADER_BYTES || (bytes.readUInt16BE(2) & QR_FLAG) !== 0) {
    return { rcode: RCODE.formErr, reply: null }
  }
  const flags = bytes.readUInt16BE(2)
  if ((flags & OPCODE_MASK) !== 0) return bad(bytes, RCODE.notImp)
  try {
    const packet = decode(bytes)
    const [question, ...others] = packet.questions ?? []
    if (question === undefined || others.length > 0) return bad(bytes, RCODE.formErr)
    // Names in other characters cannot be written back as they came.
    if (!/^[\x21-\x7e]*$/.test(question.name)) return bad(bytes, RCODE.formErr)
    const options = (packet.additionals ?? []).filter(isOpt)
    if (options.length > 1) return bad(bytes, RCODE.formErr)
    const [opt] = options
    const query: DnsQuery = {
      id: packet.id ?? 0,
      question,
      name: question.name.toLowerCase(),
      recursionDesired: packet.flag_rd,
      checkingDisabled: packet.flag_cd,
      edns: opt !== undefined,
      dnssec: opt?.flag_do ?? false,
      payloadBytes: Math.min(
        Math.max(opt?.udpPayloadSize ?? MIN_PAYLOAD_BYTES, MIN_PAYLOAD_BYTES),
        MAX_PAYLOAD_BYTES,
      ),
    }
    if (opt === undefined || opt.ednsVersion === 0) return query
    return { rcode: RCODE.badVers, reply: encodeReply(query, failed(RCODE.badVers), MAX_TCP_BYTES) }
  } catch {
    return bad(bytes, RCODE.formErr)
  }
}

export const MAX_TCP_BYTES = 65_535

function isOpt(record: Answer): record is OptAnswer {
  return record.type === 'OPT'
}

function bad(bytes: Buffer, rcode: number): BadQuery {
  const reply = Buffer.alloc(HEADER_BYTES)
  reply.writeUInt16BE(bytes.readUInt16BE(0), 0)
  const kept = bytes.readUInt16BE(2) & (OPCODE_MASK | RD_FLAG)
  reply.writeUInt16BE(QR_FLAG | kept | rcode, 2)
  return { rcode, reply }
}

export function failed(rcode: number): Answered {
  return { rcode, answers: [], authorities: [], authoritative: false }
}

/** The answer on the wire; without its records and marked truncated where it is longer than `limit`. */
export function encodeReply(query: DnsQuery, answered: Answered, limit: number): Buffer {
  const whole = encodeWith(query, answered, 0)
  if (whole.length <= limit) return whole
  return encodeWith(query, { ...answered, answers: [], authorities: [] }, TRUNCATED_RESPONSE)
}

export function isTruncated(reply: Buffer): boolean {
  return (reply.readUInt16BE(2) & TRUNCATED_RESPONSE) !== 0
}

function encodeWith(query: DnsQuery, answered: Answered, extra: number): Buffer {
  const { rcode, answers, authorities, authoritative } = answered
  return encode({
    type: 'response',
    id: query.id,
    flags:
      extra |
      RECURSION_AVAILABLE |
      (query.recursionDesired ? RECURSION_DESIRED : 0) |
      (query.checkingDisabled ? CHECKING_DISABLED : 0) |
      (authoritative ? AUTHORITATIVE_ANSWER : 0) |
      (rcode & 0xf),
    questions: [query.question],
    answers: [...answers],
    authorities: [...authorities],
    additionals: query.edns ? [optRecord(query.dnssec, rcode >> 4)] : [],
  })
}

/** OPT of a query or an answer of ours. */
export function optRecord(dnssec: boolean, extendedRcode: number): OptAnswer {
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: MAX_PAYLOAD_BYTES,
    extendedRcode,
    ednsVersion: 0,
    flags: dnssec ? DO_FLAG : 0,
    flag_do: dnssec,
    options: [],
  }
}
