import { X509Certificate } from 'node:crypto'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { identityProblem } from '../tls/server-identity.ts'
import type { UpstreamContext } from '../tls/upstream-context.ts'
import type { UpstreamFailure } from './failure.ts'
import { connectFailure, failure, tlsFailure } from './failures.ts'

/** Where to connect and whom to expect there. Immutable; shared by all dials of a pool. */
export class DialTarget {
  /** IP address, or an absolute path of a unix socket. Names are resolved before, never here. */
  readonly address: string
  readonly port: number
  /** null: clear text. */
  readonly tls: UpstreamContext | null
  /** Host that decides SNI and identity when the TLS plan names none; null in clear text. */
  readonly host: string | null
  /** Protocol the peer must agree to by ALPN, or null to offer none. */
  readonly alpn: string | null

  constructor(init: {
    address: string
    port: number
    tls: UpstreamContext | null
    host: string | null
    alpn: string | null
  }) {
    this.address = init.address
    this.port = init.port
    this.tls = init.tls
    this.host = init.host
    this.alpn = init.alpn
  }
}

export interface DialLimits {
  /** Spans the TCP connect and the TLS handshake. Mirrors connectionPool.tcp.connectTimeout. */
  readonly connectTimeoutMs: number
  /** Idle time before the first TCP keep-alive probe; 0 = no probes. */
  readonly tcpKeepaliveMs: number
  /** Unsent bytes before writers wait: connectionSettings.clusterPerConnectionBufferLimitBytes. */
  readonly bufferBytes: number
}

/** Exactly one of the two is called, later than the constructor, unless the dial is aborted. */
export interface DialListener {
  /** The listener owns the socket from here on. */
  onDialConnected(socket: Socket, dial: Dial): void
  onDialFailed(failure: UpstreamFailure, dial: Dial): void
}

/** One attempt to connect: TCP or unix socket, then TLS, under one timer. */
export class Dial {
  readonly target: DialTarget
  readonly #listener: DialListener
  readonly #timer: NodeJS.Timeout
  readonly #socket: Socket | null
  /** Stays on a socket that failed or was given up: its late errors are nobody's. */
  readonly #onError: (error: Error) => void
  #tcpConnected: boolean
  #over: boolean

  constructor(target: DialTarget, limits: DialLimits, listener: DialListener) {
    this.target = target
    this.#listener = listener
    this.#tcpConnected = false
    this.#over = false
    this.#onError = (error) => this.#fail(this.#classify(error))
    this.#timer = setTimeout(() => this.#timeOut(), limits.connectTimeoutMs)
    this.#socket = this.#open(limits)
  }

  /** Gives up. No callback follows. */
  abort(): void {
    if (this.#over) return
    this.#end()
    this.#socket?.destroy()
  }

  #open(limits: DialLimits): Socket | null {
    const target = this.target
    const unix = target.address.startsWith('/')
    if (!unix && isIP(target.address) === 0) {
      const reason = `${target.address} is not an IP address`
      return this.#failSoon(failure('dns-failure', reason))
    }
    const options = {
      ...(unix ? { path: target.address } : { host: target.address, port: target.port }),
      noDelay: true,
      keepAlive: limits.tcpKeepaliveMs > 0,
      keepAliveInitialDelay: limits.tcpKeepaliveMs,
      highWaterMark: limits.bufferBytes,
    }
    if (target.tls === null) {
      const socket = connectTcp(options)
      socket.once('connect', () => this.#connected())
      socket.on('error', this.#onError)
      return socket
    }
    const secureContext = target.tls.current()
    if (secureContext === null) {
      return this.#failSoon(failure('tls-error', `TLS_error: ${target.tls.problem}`))
    }
    const socket = connectTls({ ...options, secureContext, ...this.#identity(target.tls) })
    socket.once('connect', () => {
      this.#tcpConnected = true
    })
    socket.once('secureConnect', () => {
      if (target.alpn === null || socket.alpnProtocol === target.alpn) return this.#connected()
      const reason = `TLS_error: the peer did not agree to ${target.alpn} (ALPN)`
      this.#fail(failure('tls-error', reason))
    })
    socket.on('error', this.#onError)
    return socket
  }

  /**
   * SNI and the checks of the peer's certificate. DestinationRule tls: subjectAltNames are checked
   * when given; else the automatic SNI is; an explicit sni without names checks the chain alone.
   */
  #identity(tls: UpstreamContext): ConnectionOptions {
    const plan = tls.plan
    const host = this.target.host
    const serverName = plan.serverName ?? host
    const automatic = plan.serverName === null && host !== null ? [host] : []
    const names = plan.subjectAltNames.length > 0 ? plan.subjectAltNames : automatic
    return {
      rejectUnauthorized: !plan.insecureSkipVerify,
      ...(serverName !== null && isIP(serverName) === 0 ? { servername: serverName } : {}),
      ...(this.target.alpn === null ? {} : { ALPNProtocols: [this.target.alpn] }),
      checkServerIdentity: (_host, peer) => {
        if (names.length === 0) return undefined
        const problem = identityProblem(new X509Certificate(peer.raw), names)
        return problem === null ? undefined : new IdentityError(problem)
      },
    }
  }

  #classify(error: Error): UpstreamFailure {
    if (error instanceof IdentityError) {
      const reason = `TLS_error: CERTIFICATE_VERIFY_FAILED: ${error.message}`
      return failure('tls-error', reason, error)
    }
    return this.#tcpConnected ? tlsFailure(error) : connectFailure(error)
  }

  #connected(): void {
    if (this.#over) return
    const socket = this.#socket!
    this.#end()
    socket.removeListener('error', this.#onError)
    this.#listener.onDialConnected(socket, this)
  }

  #timeOut(): void {
    const during = this.#tcpConnected ? 'TLS handshake' : 'connect'
    this.#fail(failure('connect-timeout', `${during} timed out`))
  }

  #failSoon(reason: UpstreamFailure): null {
    process.nextTick(() => this.#fail(reason))
    return null
  }

  #fail(reason: UpstreamFailure): void {
    if (this.#over) return
    this.#end()
    this.#socket?.destroy()
    this.#listener.onDialFailed(reason, this)
  }

  #end(): void {
    this.#over = true
    clearTimeout(this.#timer)
  }
}

class IdentityError extends Error {}
