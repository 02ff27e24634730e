import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type TlsOptions, type TLSSocket } from 'node:tls'
import type { CertificatePair } from '../../certs/authority.ts'

/** A TLS server that says its name and the server name it was asked for, then ends. */
export interface TlsBackend extends AsyncDisposable {
  readonly port: number
  /** Server names of the connections so far. */
  readonly seen: readonly string[]
}

export async function startTlsBackend(
  name: string,
  { certificate, key }: CertificatePair,
  options: TlsOptions = {},
): Promise<TlsBackend> {
  const seen: string[] = []
  const open = new Set<TLSSocket>()
  const server = createServer({ cert: certificate, key, ...options }, (socket) => {
    const asked: unknown = Reflect.get(socket, 'servername')
    seen.push(String(asked))
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => undefined)
    socket.end(`${name} for ${String(asked)}`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
