import { createSocket } from 'node:dgram'
import { createConnection, isIPv6 } from 'node:net'

/** Where questions go on. */
export interface NameServer {
  /** IP address. */
  readonly host: string
  readonly port: number
}

/** Ends one question to one server: `settle` is called once, with the answer or null. */
export type Cancel = () => void

/** Is this the answer to what was asked? Others are forged, late or lost, and are passed over. */
export type IsAnswer = (message: Buffer) => boolean

/** Asks by UDP from a port of its own, which the system picks at random. */
export function askByUdp(
  server: NameServer,
  query: Buffer,
  isAnswer: IsAnswer,
  settle: (answer: Buffer | null) => void,
): Cancel {
  const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4')
  let settled = false
  const end = (answer: Buffer | null): void => {
    if (settled) return
    settled = true
    socket.close()
    settle(answer)
  }
  socket.on('error', () => end(null))
  socket.on('message', (message) => {
    if (isAnswer(message)) end(message)
  })
  // Connected: what comes from anybody else is dropped by the system, and a closed port is noticed.
  socket.connect(server.port, server.host, () => {
    if (settled) return
    socket.send(query, (error) => {
      if (error) end(null)
    })
  })
  return () => end(null)
}

const LENGTH_BYTES = 2

/** Asks by TCP (RFC 7766), for answers that UDP has no room for. */
export function askByTcp(
  server: NameServer,
  query: Buffer,
  isAnswer: IsAnswer,
  settle: (answer: Buffer | null) => void,
): Cancel {
  const socket = createConnection(server.port, server.host)
  const chunks: Buffer[] = []
  let settled = false
  const end = (answer: Buffer | null): void => {
    if (settled) return
    settled = true
    socket.destroy()
    settle(answer)
  }
  const framed = Buffer.alloc(LENGTH_BYTES + query.length)
  framed.writeUInt16BE(query.length, 0)
  query.copy(framed, LENGTH_BYTES)
  socket.on('error', () => end(null))
  socket.on('close', () => end(null))
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    const all = Buffer.concat(chunks)
    if (all.length < LENGTH_BYTES) return
    const length = all.readUInt16BE(0)
    if (all.length < LENGTH_BYTES + length) return
    const message = all.subarray(LENGTH_BYTES, LENGTH_BYTES + length)
    end(isAnswer(message) ? message : null)
  })
  socket.write(framed)
  return () => end(null)
}
