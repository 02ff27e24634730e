import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ConnectionSettings } from '../snapshot/connection-settings.ts'
import type { TlsChainPlan, TlsChainTable } from '../snapshot/listener-plan.ts'
import { MAX_CLIENT_HELLO_BYTES, parseClientHello } from '../tls/client-hello.ts'
import type { ServerContexts } from '../tls/server-context.ts'
import { handshakeQueue, type Startable } from './handshake-queue.ts'

/** TLS alert record: fatal, unrecognized_name (RFC 6066 3) or handshake_failure (RFC 8446 6.2). */
const UNRECOGNIZED_NAME = Buffer.from([21, 3, 1, 0, 2, 2, 112])
const HANDSHAKE_FAILURE = Buffer.from([21, 3, 1, 0, 2, 2, 40])

export type TlsRefusal =
  'no-server-name-match' | 'no-certificate' | 'not-tls' | 'timeout' | 'handshake-failed'

export interface TlsAcceptOptions {
  readonly contexts: ServerContexts
  /** The settings of the moment: the time for ClientHello and handshake, the buffer. */
  settings(): Pick<ConnectionSettings, 'tlsHandshakeTimeoutMs' | 'bufferBytes'>
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

class TlsHandshake implements Startable {
  readonly #socket: Socket
  readonly #options: TlsAcceptOptions
  readonly #timer: NodeJS.Timeout
  #received: Buffer | null
  #serverName: string | null
  #secure: TLSSocket | null

  constructor(socket: Socket, options: TlsAcceptOptions) {
    this.#socket = socket
    this.#options = options
    this.#received = null
    this.#serverName = null
    this.#secure = null
    this.#timer = setTimeout(this.#onTimeout, options.settings().tlsHandshakeTimeoutMs)
  }

  start(): void {
    this.#socket.on('data', this.#onData)
    this.#socket.on('error', this.#onGone)
    this.#socket.on('end', this.#onGone)
    this.#socket.on('close', this.#onGone)
  }

  readonly #onTimeout = (): void => {
    if (this.#secure === null) this.#refuse('timeout', null)
    else this.#onFailure(new Error('handshake timeout'))
  }

  readonly #onGone = (): void => {
    clearTimeout(this.#timer)
    this.#socket.removeListener('data', this.#onData)
    this.#socket.destroy()
  }

  readonly #onData = (chunk: Buffer): void => {
    const bytes = this.#received === null ? chunk : Buffer.concat([this.#received, chunk])
    const hello = parseClientHello(bytes)
    this.#received = bytes
    if (hello.type === 'incomplete' && bytes.length <= MAX_CLIENT_HELLO_BYTES) return
    this.#socket.removeListener('data', this.#onData)
    this.#socket.pause()
    if (hello.type !== 'hello') {
      this.#refuse('not-tls', null)
      return
    }
    this.#serverName = hello.serverName
    handshakeQueue.enter(this)
  }

  begin(): void {
    if (this.#socket.destroyed) return
    const chains = this.#options.chains()
    const chain = chains === null ? null : chains.bySni.find(this.#serverName ?? '')
    if (chain === null) {
      this.#refuse('no-server-name-match', UNRECOGNIZED_NAME)
      return
    }
    const context = this.#options.contexts.contextFor(chain.tls)
    if (context === null) {
      this.#refuse('no-certificate', HANDSHAKE_FAILURE)
      return
    }
    const socket = this.#socket
    socket.removeListener('error', this.#onGone)
    socket.removeListener('end', this.#onGone)
    socket.removeListener('close', this.#onGone)
    socket.unshift(this.#received!)
    this.#received = null
    const options = {
      isServer: true,
      secureContext: context,
      ALPNProtocols: [...chain.tls.alpn],
      highWaterMark: this.#options.settings().bufferBytes,
    }
    const secure = new TLSSocket(socket, options)
    this.#secure = secure
    secure.once('error', this.#onFailure)
    // The socket may stay half-open; a client that ends here will never finish its handshake.
    secure.once('end', this.#onFailure)
    secure.once('close', this.#onFailure)
    secure.once('secure', () => this.#onSecure(secure, chain))
  }

  #onSecure(secure: TLSSocket, chain: TlsChainPlan): void {
    this.#letGo(secure)
    // tls.Server would do this; node:http2 waits for the handshake as long as it is set.
    Reflect.set(secure, 'secureConnecting', false)
    this.#options.onSecure(secure, chain)
  }

  readonly #onFailure = (error?: unknown): void => {
    const secure = this.#secure!
    this.#letGo(secure)
    secure.on('error', ignore)
    secure.destroy()
    const detail = error instanceof Error ? error.message : 'closed by the client'
    this.#options.onRefused('handshake-failed', this.#serverName, detail)
  }

  #letGo(secure: TLSSocket): void {
    clearTimeout(this.#timer)
    secure.removeListener('error', this.#onFailure)
    secure.removeListener('end', this.#onFailure)
    secure.removeListener('close', this.#onFailure)
  }

  #refuse(reason: TlsRefusal, alert: Buffer | null): void {
    clearTimeout(this.#timer)
    this.#socket.removeListener('data', this.#onData)
    this.#options.onRefused(reason, this.#serverName, '')
    if (alert === null) this.#socket.destroy()
    else this.#socket.end(alert, () => this.#socket.destroy())
  }
}

function ignore(): void {}
