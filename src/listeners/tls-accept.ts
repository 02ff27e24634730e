import type { Socket } from 'node:net'
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import type { ChallengeCertificate, PendingChallenges } from '../base/pending-challenges.ts'
import { setClientCertificate } from '../http/accepted-peer.ts'
import { setCarrier } from '../http/paused-reads.ts'
import { readShared, releaseReads } from '../http/shared-read.ts'
import type { ChunkReader } from '../http/socket-reads.ts'
import type { ConnectionSettings } from '../snapshot/connection-settings.ts'
import type { TlsChainPlan, TlsChainTable } from '../snapshot/listener-plan.ts'
import { judgeClient } from '../tls/client-certificate.ts'
import { MAX_CLIENT_HELLO_BYTES, parseClientHello } from '../tls/client-hello.ts'
import type { ServerContexts } from '../tls/server-context.ts'
import { announcedPeer, handDownPeer } from './announced-peers.ts'
import type { FailedHandshake, TlsRefusal } from './failed-handshakes.ts'
import { handshakeQueue, type Startable } from './handshake-queue.ts'

/** TLS alert record: fatal, unrecognized_name (RFC 6066 3) or handshake_failure (RFC 8446 6.2). */
const UNRECOGNIZED_NAME = Buffer.from([21, 3, 1, 0, 2, 2, 112])
const HANDSHAKE_FAILURE = Buffer.from([21, 3, 1, 0, 2, 2, 40])

/** What Istio's sidecars offer by ALPN: who does not is none of the mesh. */
const MESH_PROTOCOLS: ReadonlySet<string> = new Set([
  'istio',
  'istio-peer-exchange',
  'istio-http/1.0',
  'istio-http/1.1',
  'istio-h2',
])

/** What a client that validates a TLS-ALPN-01 challenge offers, and nothing else (RFC 8737 3). */
const ACME_PROTOCOL = 'acme-tls/1'

export interface TlsAcceptOptions {
  readonly contexts: ServerContexts
  /** The settings of the moment: the time for ClientHello and handshake, the buffer. */
  settings(): Pick<ConnectionSettings, 'tlsHandshakeTimeoutMs' | 'bufferBytes'>
  /** The chains of the moment the handshake begins. */
  chains(): TlsChainTable | null
  /** What ACME servers may ask for; null when no certificate is ordered. */
  challenges(): PendingChallenges | null
  onSecure(socket: TLSSocket, chain: TlsChainPlan): void
  /** TLS does not end here: `socket` is paused, with the ClientHello put back in front. */
  onPassThrough(socket: Socket, chain: TlsChainPlan, serverName: string | null): void
  onRefused(failure: FailedHandshake): void
}

/**
 * Serves TLS on an accepted socket: waits for the ClientHello, picks the server chain by its name
 * (exact, longest wildcard, unrestricted), then lets node:tls do the handshake with that chain's
 * certificate, versions and ALPN and judges the client's certificate, or passes the bytes on as
 * they are. What cannot be served is refused with an alert.
 */
export function acceptTls(socket: Socket, options: TlsAcceptOptions): void {
  new TlsHandshake(socket, options).start()
}

class TlsHandshake implements ChunkReader, Startable {
  readonly #socket: Socket
  readonly #options: TlsAcceptOptions
  readonly #timer: NodeJS.Timeout
  #received: Buffer | null
  #serverName: string | null
  #alpn: readonly string[]
  #chain: TlsChainPlan | null
  #secure: TLSSocket | null

  constructor(socket: Socket, options: TlsAcceptOptions) {
    this.#socket = socket
    this.#options = options
    this.#received = null
    this.#serverName = null
    this.#alpn = []
    this.#chain = null
    this.#secure = null
    this.#timer = setTimeout(this.#onTimeout, options.settings().tlsHandshakeTimeoutMs)
  }

  start(): void {
    if (!readShared(this.#socket, this)) this.#socket.on('data', this.#onData)
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

  readonly #onData = (chunk: Buffer): void => this.onChunk(chunk)

  onChunk(chunk: Buffer): void {
    const bytes = Buffer.concat(this.#received === null ? [chunk] : [this.#received, chunk])
    const hello = parseClientHello(bytes)
    this.#received = bytes
    if (hello.type === 'incomplete' && bytes.length <= MAX_CLIENT_HELLO_BYTES) return
    this.#stopReading()
    if (hello.type !== 'hello') {
      this.#refuse('not-tls', null)
      return
    }
    this.#serverName = hello.serverName
    this.#alpn = hello.alpn
    if (this.#challenge() === null && this.#findChain()?.passesThrough === true) this.begin()
    else handshakeQueue.enter(this)
  }

  #stopReading(): void {
    this.#socket.removeListener('data', this.#onData)
    releaseReads(this.#socket)
    this.#socket.pause()
  }

  #findChain(): TlsChainPlan | null {
    const chains = this.#options.chains()
    return chains === null ? null : chains.bySni.find(this.#serverName ?? '')
  }

  /** What is to be shown for a pending TLS-ALPN-01 challenge of the name, or null. */
  #challenge(): ChallengeCertificate | null {
    const asked = this.#alpn.length === 1 && this.#alpn[0] === ACME_PROTOCOL
    if (!asked || this.#serverName === null) return null
    return this.#options.challenges()?.certificateFor(this.#serverName) ?? null
  }

  begin(): void {
    if (this.#socket.destroyed) return
    const challenge = this.#challenge()
    if (challenge !== null) {
      this.#answer(challenge)
      return
    }
    const chain = this.#findChain()
    this.#chain = chain
    if (chain === null) {
      this.#refuse('no-server-name-match', UNRECOGNIZED_NAME)
      return
    }
    if (chain.passesThrough) this.#passThrough(chain)
    else this.#terminate(chain)
  }

  #passThrough(chain: TlsChainPlan): void {
    if (chain.tcp === null) {
      this.#refuse('no-route', null, 'no tls rule has this server name')
      return
    }
    if (chain.mode === 'AUTO_PASSTHROUGH' && !this.#alpn.some((name) => MESH_PROTOCOLS.has(name))) {
      this.#refuse('no-route', null, 'the client offers no protocol of the mesh by ALPN')
      return
    }
    clearTimeout(this.#timer)
    this.#options.onPassThrough(this.#takeSocket(), chain, this.#serverName)
  }

  /** The socket without our listeners, and with what was read put back. */
  #takeSocket(): Socket {
    const socket = this.#socket
    socket.removeListener('error', this.#onGone)
    socket.removeListener('end', this.#onGone)
    socket.removeListener('close', this.#onGone)
    socket.unshift(this.#received!)
    this.#received = null
    return socket
  }

  #terminate(chain: TlsChainPlan): void {
    const context = this.#options.contexts.contextFor(chain.tls)
    if (context === null) {
      this.#refuse('no-certificate', HANDSHAKE_FAILURE)
      return
    }
    if (chain.opaque && chain.tcp === null) {
      this.#refuse('no-route', HANDSHAKE_FAILURE, 'no tcp rule leads anywhere')
      return
    }
    const { alpn, client } = chain.tls
    const socket = this.#takeSocket()
    const options = {
      isServer: true,
      secureContext: context,
      // Without protocols of our own those of the client are not looked at.
      ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
      requestCert: client !== undefined,
      // Refuses clients without certificate only: those with one are judged behind the handshake.
      rejectUnauthorized: client?.required === true,
      highWaterMark: this.#options.settings().bufferBytes,
    }
    const secure = this.#shakeHands(new TLSSocket(socket, options))
    handDownPeer(socket, secure)
    setCarrier(secure, socket)
    secure.once('secure', () => this.#onSecure(secure, chain))
  }

  #shakeHands(secure: TLSSocket): TLSSocket {
    this.#secure = secure
    secure.once('error', this.#onFailure)
    // The socket may stay half-open; a client that ends here will never finish its handshake.
    secure.once('end', this.#onFailure)
    secure.once('close', this.#onFailure)
    return secure
  }

  /** The handshake is the whole answer: nothing is said inside (RFC 8737 3). */
  #answer(challenge: ChallengeCertificate): void {
    const secureContext = contextOf(challenge)
    if (secureContext === null) {
      this.#refuse('no-certificate', HANDSHAKE_FAILURE, 'the challenge in the store is no key pair')
      return
    }
    const options = { isServer: true, secureContext, ALPNProtocols: [ACME_PROTOCOL] }
    const secure = this.#shakeHands(new TLSSocket(this.#takeSocket(), options))
    secure.once('secure', () => {
      this.#letGo(secure)
      secure.on('error', ignore)
      secure.end(() => secure.destroy())
    })
  }

  #onSecure(secure: TLSSocket, chain: TlsChainPlan): void {
    this.#letGo(secure)
    // tls.Server would do this; node:http2 waits for the handshake as long as it is set.
    Reflect.set(secure, 'secureConnecting', false)
    const { client } = chain.tls
    if (client !== undefined) {
      const verdict = judgeClient(secure, client)
      if (!verdict.admitted) {
        secure.on('error', ignore)
        secure.destroy()
        this.#report('client-certificate', verdict.reason)
        return
      }
      if (verdict.certificate !== null) setClientCertificate(secure, verdict.certificate)
    }
    this.#options.onSecure(secure, chain)
  }

  readonly #onFailure = (error?: unknown): void => {
    const secure = this.#secure!
    this.#letGo(secure)
    secure.on('error', ignore)
    secure.destroy()
    const detail = error instanceof Error ? error.message : 'closed by the client'
    this.#report('handshake-failed', detail)
  }

  #letGo(secure: TLSSocket): void {
    clearTimeout(this.#timer)
    secure.removeListener('error', this.#onFailure)
    secure.removeListener('end', this.#onFailure)
    secure.removeListener('close', this.#onFailure)
  }

  #refuse(reason: TlsRefusal, alert: Buffer | null, detail = ''): void {
    clearTimeout(this.#timer)
    this.#stopReading()
    this.#report(reason, detail)
    if (alert === null) this.#socket.destroy()
    else this.#socket.end(alert, () => this.#socket.destroy())
  }

  #report(reason: TlsRefusal, detail: string): void {
    const socket = this.#socket
    this.#options.onRefused({
      reason,
      detail,
      serverName: this.#serverName,
      alpn: this.#alpn,
      chain: this.#chain === null ? null : this.#chain.name,
      remoteAddress: announcedPeer(socket)?.remoteAddress ?? socket.remoteAddress ?? '',
    })
  }
}

/** What came out of a store that others write to may be anything. */
function contextOf({ certificate, key }: ChallengeCertificate): SecureContext | null {
  try {
    return createSecureContext({ cert: certificate, key: key.reveal() })
  } catch {
    return null
  }
}

function ignore(): void {}
