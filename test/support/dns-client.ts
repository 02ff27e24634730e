import { createSocket } from 'node:dgram'
import { createConnection } from 'node:net'
import {
  decode,
  type DecodedPacket,
  encode,
  type Packet,
  RECURSION_DESIRED,
  type RecordType,
} from 'dns-packet'

const TIMEOUT_MS = 10_000
const QUERY_ID = 4711

/** `dig NAME TYPE`: a query that desires recursion. */
export function dnsQuery(name: string, type: string = 'A', extra: Packet = {}): Buffer {
  return encode({
    type: 'query',
    id: QUERY_ID,
    flags: RECURSION_DESIRED,
    questions: [{ name, type: type as RecordType }],
    ...extra,
  })
}

/** One datagram and its answer. */
export function dnsByUdp(port: number, query: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    const timer = setTimeout(() => end(new Error('no answer by UDP')), TIMEOUT_MS)
    const end = (result: Buffer | Error): void => {
      clearTimeout(timer)
      socket.close()
      if (result instanceof Error) reject(result)
      else resolve(result)
    }
    socket.on('error', end)
    socket.on('message', end)
    socket.send(query, port, '127.0.0.1')
  })
}

/** Queries on one connection, written at once; answers in the order they came. */
export function dnsByTcp(port: number, queries: readonly Buffer[]): Promise<readonly Buffer[]> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1')
    const answers: Buffer[] = []
    let held = Buffer.alloc(0)
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no answer by TCP')))
    socket.on('error', reject)
    socket.on('close', () => resolve(answers))
    socket.on('data', (chunk: Buffer) => {
      held = Buffer.concat([held, chunk])
      while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
        const end = 2 + held.readUInt16BE(0)
        answers.push(held.subarray(2, end))
        held = held.subarray(end)
      }
      if (answers.length === queries.length) socket.destroy()
    })
    for (const query of queries) {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(query.length, 0)
      socket.write(Buffer.concat([length, query]))
    }
  })
}

/** Asks by UDP and reads the answer. */
export async function dig(port: number, name: string, type: string = 'A'): Promise<DecodedPacket> {
  return decode(await dnsByUdp(port, dnsQuery(name, type)))
}

const CODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED']

export function codeOf(packet: DecodedPacket): string {
  return CODES[(packet.flags ?? 0) & 0xf] ?? 'OTHER'
}

/** `A 203.0.113.7`, in the order of the answer. */
export function recordsOf(packet: DecodedPacket): readonly string[] {
  return (packet.answers ?? []).map((record) => {
    const value = 'data' in record && typeof record.data === 'string' ? record.data : ''
    return `${record.type} ${value}`
  })
}
