import { createSocket } from 'node:dgram'
import { decode, encode, type Packet } from 'dns-packet'

export interface DnsAnswer {
  readonly a?: readonly string[]
  readonly aaaa?: readonly string[]
  /** Seconds; 1 unless told otherwise. */
  readonly ttl?: number
  readonly code?: 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL'
  /** Says nothing at all. */
  readonly silent?: boolean
}

export interface DnsServer extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly address: string
  /** Lower-case name to answer; anything else is NXDOMAIN. Change it at will. */
  readonly records: Map<string, DnsAnswer>
  /** `A web.test` for each question that came. */
  readonly questions: string[]
}

const CODES = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3 } as const
const AUTHORITATIVE = 1 << 10

/** A name server on a free UDP port of the loopback address. */
export async function startDnsServer(records: Record<string, DnsAnswer>): Promise<DnsServer> {
  const socket = createSocket('udp4')
  const table = new Map(Object.entries(records))
  const questions: string[] = []
  socket.on('message', (message, peer) => {
    const query = decode(message)
    const question = query.questions?.[0]
    if (question === undefined) return
    const name = question.name.toLowerCase()
    questions.push(`${question.type} ${name}`)
    const record = table.get(name) ?? { code: 'NXDOMAIN' }
    if (record.silent === true) return
    const addresses = question.type === 'A' ? record.a : question.type === 'AAAA' ? record.aaaa : []
    const type = question.type === 'A' ? 'A' : 'AAAA'
    const answer: Packet = {
      type: 'response',
      id: query.id ?? 0,
      flags: AUTHORITATIVE | CODES[record.code ?? 'NOERROR'],
      questions: [question],
      answers: (addresses ?? []).map((address) => ({
        type,
        name: question.name,
        ttl: record.ttl ?? 1,
        data: address,
      })),
    }
    socket.send(encode(answer), peer.port, peer.address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${socket.address().port}`,
    records: table,
    questions,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => socket.close(() => resolve()))
    },
  }
}
