import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { CommandError, EXIT_NOT_READY } from './exit.ts'

const TIMEOUT_MS = 10_000
/** A peer decides how long its chain is. */
const MAX_CHAIN = 16

export interface LiveAddress {
  readonly host: string
  readonly port: number
  /** null: the host, where it is a name. */
  readonly sni: string | null
}

/** The chain that a server shows for a name. Throws CommandError (exit 3) when none comes. */
export async function liveChain({
  host,
  port,
  sni,
}: LiveAddress): Promise<readonly X509Certificate[]> {
  const serverName = sni ?? (isIP(host) === 0 ? host : null)
  const socket = connect({
    host,
    port,
    // It is looked at, not trusted; a server may ask for a certificate of ours and then hang up.
    rejectUnauthorized: false,
    timeout: TIMEOUT_MS,
    ...(serverName === null ? {} : { servername: serverName }),
  })
  try {
    await handshake(socket)
    return chainOf(socket)
  } catch (error) {
    const said = error instanceof Error && error.message !== '' ? error.message : 'no connection'
    throw new CommandError(
      `no certificate: ${said}`,
      `${host}:${port}${serverName === null ? '' : ` for ${serverName}`}`,
      'does a server speak TLS there, and serve this name (--sni)?',
      EXIT_NOT_READY,
    )
  } finally {
    socket.destroy()
  }
}

function handshake(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('timeout', () => reject(new Error(`no answer within ${TIMEOUT_MS} ms`)))
    socket.on('error', reject)
    socket.once('close', () => reject(new Error('the server closed the connection')))
  })
}

function chainOf(socket: TLSSocket): readonly X509Certificate[] {
  const chain: X509Certificate[] = []
  let next = socket.getPeerX509Certificate()
  while (next !== undefined && chain.length < MAX_CHAIN) {
    chain.push(next)
    const issuer: X509Certificate | undefined = next.issuerCertificate
    if (issuer === undefined || issuer.fingerprint256 === next.fingerprint256) break
    next = issuer
  }
  return chain
}
