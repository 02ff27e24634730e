import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'

/** What a TLS client learnt from one handshake. */
export type Handshake =
  | {
      readonly ok: true
      readonly name: string
      readonly serial: string
      readonly alpn: string | false
      readonly protocol: string
    }
  | { readonly ok: false; readonly reason: string }

/** One TLS handshake with a loopback port, closed again. `serverName` '' sends no SNI. */
export async function handshake(
  port: number,
  serverName: string,
  options: ConnectionOptions = {},
): Promise<Handshake> {
  const socket = connect({ host: '127.0.0.1', port, servername: serverName, ...options })
  return new Promise((resolve) => {
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerCertificate()
      resolve({
        ok: true,
        name: String(certificate.subject.CN),
        serial: certificate.serialNumber,
        alpn: socket.alpnProtocol ?? false,
        protocol: socket.getProtocol() ?? '',
      })
      socket.destroy()
    })
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve({ ok: false, reason: error.code ?? error.message }),
    )
  })
}

/** A TLS connection that stays open. */
export async function openTls(
  port: number,
  serverName: string,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, servername: serverName, ...options })
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', () => resolve())
    socket.once('error', reject)
  })
  return socket
}

/** Everything a TLS server says before it ends, or the code of what went wrong. */
export async function readTls(
  port: number,
  serverName: string,
  options: ConnectionOptions = {},
  send = '',
): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, servername: serverName, ...options })
  return new Promise((resolve) => {
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    socket.once('secureConnect', () => {
      if (send !== '') socket.write(send)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.once('close', () => resolve(text))
    socket.once('end', () => socket.end())
  })
}
