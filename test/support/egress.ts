import { connect, type Socket } from 'node:net'
import { type Answer, call, type CallOptions } from './call.ts'

/** One request in absolute form, as a client with http_proxy set sends it. */
export function callProxy(
  port: number,
  url: string,
  options: Omit<CallOptions, 'port' | 'path'> = {},
): Promise<Answer> {
  const host = /^http:\/\/([^/?]*)/.exec(url)?.[1] ?? ''
  return call({ port, path: url, host, ...options })
}

/** An answer to CONNECT; with status 200 the socket is the tunnel. */
export interface Tunnel {
  readonly status: number
  readonly head: string
  readonly socket: Socket
}

const HEAD_END = '\r\n\r\n'

/**
 * Asks the proxy for a tunnel. `early` is sent in the same segment as the request, `localAddress` is
 * where the client stands.
 */
export function openTunnel(
  port: number,
  authority: string,
  early = '',
  localAddress = '127.0.0.1',
): Promise<Tunnel> {
  const to = { port, host: '127.0.0.1', localAddress }
  const socket = connect({ ...to, noDelay: true, allowHalfOpen: true })
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n\r\n${early}`)
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0)
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk])
      const end = received.indexOf(HEAD_END)
      if (end === -1) return
      socket.off('data', onData)
      socket.off('close', onClose)
      socket.pause()
      const rest = received.subarray(end + HEAD_END.length)
      if (rest.length > 0) socket.unshift(rest)
      const head = received.subarray(0, end).toString('latin1')
      resolve({ status: Number(head.split(' ', 2)[1]), head, socket })
    }
    const onClose = (): void => reject(new Error('closed before the answer to CONNECT'))
    socket.on('data', onData)
    socket.on('error', reject)
    socket.on('close', onClose)
  })
}

/** CONNECT that must be refused: status and body. */
export async function refusedTunnel(
  port: number,
  authority: string,
): Promise<{ status: number; body: string }> {
  const { status, head, socket } = await openTunnel(port, authority)
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
  let body = ''
  if (length > 0) {
    for await (const chunk of socket) {
      body += String(chunk)
      if (body.length >= length) break
    }
  }
  socket.destroy()
  return { status, body }
}
