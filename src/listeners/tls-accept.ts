import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { TlsChainPlan, TlsChainTable } from '../snapshot/listener-plan.ts'
import { MAX_CLIENT_HELLO_BYTES, parseClientHello } from '../tls/client-hello.ts'
import type { ServerContexts } from '../tls/server-context.ts'

/** ClientHello plus handshake must be done by then. */
export const TLS_HANDSHAKE_TIMEOUT_MS = 10_000

/** TLS alert record: fatal, unrecognized_name (RFC 6066 3) or handshake_failure (RFC 8446 6.2). */
const UNRECOGNIZED_NAME = Buffer.from([21, 3, 1, 0, 2, 2, 112])
const HANDSHAKE_FAILURE = Buffer.from([21, 3, 1, 0, 2, 2, 40])

export type TlsRefusal =
  'no-server-name-match' | 'no-certificate' | 'not-tls' | 'timeout' | 'handshake-failed'

export interface TlsAcceptOptions {
  readonly contexts: ServerContexts
  /** The chains of the moment the handshake begins. */
  chains(): TlsChainTable | null
  onSecure(socket: TLSSocket, chain: TlsChainPlan): void
  onRefused(reason: TlsRefusal, serverName: string | null, detail: string): void
}

/**
 * Terminates TLS on an accepted socket: waits for the ClientHello, picks the server chain by its
 * name (exact, longest wildcard, unrestricted), then lets node:tls do the handshake with that
 * chain's certificate, versions and ALPN. What cannot be served is refused with an alert.
 */
export function acceptTls(socket: Socket, options: TlsAcceptOptions): void {
  new TlsHandshake(socket, options).start()
}

class TlsHandshake {
  readonly #socket: Socket
  readonly #options: TlsAcceptOptions
  readonly #timer: NodeJS.Timeout
  #received: Buffer | null

  constructor(socket: Socket, options: TlsAcceptOptions) {
    this.#socket = socket
    this.#options = options
    this.#received = null
    this.#timer = setTimeout(() => this.#refuse('timeout', null, null), TLS_HANDSHAKE_TIMEOUT_MS)
  }

  start(): void {
    this.#socket.on('data', this.#onData)
    this.#socket.on('error', this.#onGone)
    this.#socket.on('end', this.#onGone)
    this.#socket.on('close', this.#onGone)
  }

  readonly #onGone = (): void => {
    clearTimeout(this.#timer)
    this.#socket.removeListener('data', this.#onData)
    this.#socket.destroy()
  }

  readonly #onData = (chunk: Buffer): void => {
    const bytes = this.#received === null ? chunk : Buffer.concat([this.#received, chunk])
    const hello = parseClientHello(bytes)
    if (hello.type === 'incomplete' && bytes.length <= MAX_CLIENT_HELLO_BYTES) {
      this.#received = bytes
      return
    }
    this.#socket.removeListener('data', this.#onData)
    this.#socket.pause()
    if (hello.type !== 'hello') this.#refuse('not-tls', null, null)
    else this.#choose(hello.serverName, bytes)
  }

  #choose(serverName: string | null, bytes: Buffer): void {
    const chains = this.#options.chains()
    const chain = chains === null ? null : chains.bySni.find(serverName ?? '')
    if (chain === null) {
      this.#refuse('no-server-name-match', serverName, UNRECOGNIZED_NAME)
      return
    }
    const context = this.#options.contexts.contextFor(chain.tls)
    if (context === null) {
      this.#refuse('no-certificate', serverName, HANDSHAKE_FAILURE)
      return
    }
    this.#socket.removeListener('error', this.#onGone)
    this.#socket.removeListener('end', this.#onGone)
    this.#socket.removeListener('close', this.#onGone)
    this.#socket.unshift(bytes)
    const secure = new TLSSocket(this.#socket, {
      isServer: true,
      secureContext: context,
      ALPNProtocols: [...chain.tls.alpn],
    })
    this.#finish(secure, chain, serverName)
  }

  #finish(secure: TLSSocket, chain: TlsChainPlan, serverName: string | null): void {
    const fail = (error?: unknown): void => {
      clearTimeout(timer)
      secure.removeListener('error', fail)
      secure.removeListener('end', fail)
      secure.removeListener('close', fail)
      secure.on('error', ignore)
      secure.destroy()
      this.#options.onRefused(
        'handshake-failed',
        serverName,
        error instanceof Error ? error.message : 'closed by the client',
      )
    }
    clearTimeout(this.#timer)
    const timer = setTimeout(fail, TLS_HANDSHAKE_TIMEOUT_MS, new Error('handshake timeout'))
    secure.once('error', fail)
    // The socket may stay half-open; a client that ends here will never finish its handshake.
    secure.once('end', fail)
    secure.once('close', fail)
    secure.once('secure', () => {
      clearTimeout(timer)
      secure.removeListener('error', fail)
      secure.removeListener('end', fail)
      secure.removeListener('close', fail)
      // tls.Server would do this; node:http2 waits for the handshake as long as it is set.
      Reflect.set(secure, 'secureConnecting', false)
      this.#options.onSecure(secure, chain)
    })
  }

  #refuse(reason: TlsRefusal, serverName: string | null, alert: Buffer | null): void {
    clearTimeout(this.#timer)
    this.#socket.removeListener('data', this.#onData)
    this.#options.onRefused(reason, serverName, '')
    if (alert === null) this.#socket.destroy()
    else this.#socket.end(alert, () => this.#socket.destroy())
  }
}

function ignore(): void {}
