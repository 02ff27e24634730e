import { connect, type Socket } from 'node:net'

/** What a SOCKS5 server said; with reply 0 the socket is the tunnel. */
export interface SocksAnswer {
  /** The method it chose: 0, or 255 for none. */
  readonly method: number
  /** RFC 1928 6, or -1 when it closed without one. */
  readonly reply: number
  readonly socket: Socket
}

export interface SocksAsk {
  readonly port: number
  /** A name, or an address in bytes. */
  readonly host: string | Buffer
  readonly command?: number
  readonly addressType?: number
  readonly methods?: readonly number[]
  /** Sent in the same segment as the request. */
  readonly early?: string
  /** Where the client stands. */
  readonly localAddress?: string
}

const REPLY_BYTES = 10

/** The request of RFC 1928 4. */
export function socksRequest({ host, port, command = 1, addressType }: SocksAsk): Buffer {
  const bytes = typeof host === 'string' ? Buffer.from(host, 'latin1') : host
  const type = addressType ?? (typeof host === 'string' ? 3 : bytes.length === 4 ? 1 : 4)
  const head = type === 3 ? [5, command, 0, 3, bytes.length] : [5, command, 0, type]
  return Buffer.concat([Buffer.from(head), bytes, Buffer.from([port >> 8, port & 0xff])])
}

/** Asks for a tunnel with everything in one segment, as eager clients do. */
export function openSocks(proxyPort: number, ask: SocksAsk): Promise<SocksAnswer> {
  const methods = ask.methods ?? [0]
  const { localAddress = '127.0.0.1' } = ask
  const to = { port: proxyPort, host: '127.0.0.1', localAddress }
  const socket = connect({ ...to, noDelay: true, allowHalfOpen: true })
  const greeting = Buffer.from([5, methods.length, ...methods])
  socket.write(Buffer.concat([greeting, socksRequest(ask), Buffer.from(ask.early ?? '', 'latin1')]))
  return new Promise((resolve) => {
    let received = Buffer.alloc(0)
    const answer = (reply: number): void => {
      socket.off('data', onData)
      socket.off('close', onClose)
      resolve({ method: received[1] ?? -1, reply, socket })
    }
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk])
      if (received[1] === 0xff) answer(-1)
      if (received.length < 2 + REPLY_BYTES) return
      socket.pause()
      const rest = received.subarray(2 + REPLY_BYTES)
      if (rest.length > 0) socket.unshift(rest)
      answer(received[3]!)
    }
    const onClose = (): void => answer(received[3] ?? -1)
    socket.on('data', onData)
    socket.on('error', () => undefined)
    socket.on('close', onClose)
  })
}
