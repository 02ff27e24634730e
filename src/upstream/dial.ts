import { X509Certificate } from 'node:crypto'
import { connect as connectTcp, isIP, type NetConnectOpts, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { Deadline, deadlines } from '../base/deadlines.ts'
import type { FileReserve } from '../base/file-reserve.ts'
import { identityProblem } from '../tls/server-identity.ts'
import type { UpstreamContext } from '../tls/upstream-context.ts'
import type { UpstreamFailure } from './failure.ts'
import { connectFailure, failure, NO_FILE, tlsFailure } from './failures.ts'

/** The addresses a name has just now, the one to begin with first. */
export interface AddressSource {
  readonly candidates: readonly string[]
}

/** Time an address gets before the next one is tried (RFC 8305 5, Connection Attempt Delay). */
const ATTEMPT_DELAY_MS = 250

/** Where to connect and whom to expect there. Immutable; shared by all dials of a pool. */
export class DialTarget {
  /** IP address, an absolute path of a unix socket, or the name that `source` follows. */
  readonly address: string
  readonly port: number
  /** 4 or 6: `address` is an IP address of that version; 0: it is none. */
  readonly ipVersion: number
  /** null: clear text. */
  readonly tls: UpstreamContext | null
  /** Host that decides SNI and identity when the TLS plan names none; null in clear text. */
  readonly host: string | null
  /** Protocol the peer must agree to by ALPN, or null to offer none. */
  readonly alpn: string | null
  /** Where a new connection goes when `address` is a name, else null. */
  readonly source: AddressSource | null
  /** What the connection begins with, before TLS (a PROXY header); null: nothing. */
  readonly preface: Buffer | null

  constructor(init: {
    address: string
    port: number
    tls: UpstreamContext | null
    host: string | null
    alpn: string | null
    source?: AddressSource | null
    preface?: Buffer | null
  }) {
    this.address = init.address
    this.port = init.port
    this.ipVersion = isIP(init.address)
    this.tls = init.tls
    this.host = init.host
    this.alpn = init.alpn
    this.source = init.source ?? null
    this.preface = init.preface ?? null
  }
}

export interface DialLimits {
  /** Spans the TCP connect and the TLS handshake. Mirrors connectionPool.tcp.connectTimeout. */
  readonly connectTimeoutMs: number
  /** Idle time before the first TCP keep-alive probe; 0 = no probes. */
  readonly tcpKeepaliveMs: number
  /** Between probes, and how many go unanswered; absent: the operating system's. */
  readonly tcpKeepaliveIntervalMs?: number
  readonly tcpKeepaliveProbes?: number
  /** Unsent bytes before writers wait: connectionSettings.clusterPerConnectionBufferLimitBytes. */
  readonly bufferBytes: number
}

/** Exactly one of the two is called, later than the constructor, unless the dial is aborted. */
export interface DialListener {
  /** The listener owns the socket from here on. */
  onDialConnected(socket: Socket, dial: Dial): void
  onDialFailed(failure: UpstreamFailure, dial: Dial): void
}

/**
 * One attempt to connect: TCP or unix socket, then TLS, under one timer. It fails (overflow) when
 * it would take an open file of the reserve; without a reserve it takes any.
 */
export class Dial extends Deadline {
  rosterPlace = -1
  readonly target: DialTarget
  readonly #listener: DialListener
  #socket: Socket | null
  /** Stays on a socket that failed or was given up: its late errors are nobody's. */
  readonly #onError = (error: Error): void => this.#fail(this.#classify(error))
  #tcpConnected: boolean
  #over: boolean

  constructor(
    target: DialTarget,
    limits: DialLimits,
    listener: DialListener,
    reserve: FileReserve | null = null,
  ) {
    super()
    this.target = target
    this.#listener = listener
    this.#tcpConnected = false
    this.#over = false
    deadlines.start(this, limits.connectTimeoutMs)
    this.#socket = this.#open(limits)
    // node:net opens the file in its own next tick, which was asked for before this one.
    if (reserve !== null) process.nextTick(spareReserve, this, reserve)
  }

  /** For the tick after the constructor only. */
  spareReserve(reserve: FileReserve): void {
    if (this.#over || this.#socket === null || !reserve.isTouchedBy(this.#socket)) return
    this.#socket.destroy()
    // Whoever waits for room dials then, in vain as well: not all of them in one turn.
    setImmediate(failWithoutFile, this)
  }

  /** For spareReserve only. */
  failWithoutFile(): void {
    this.#fail(NO_FILE)
  }

  /** Gives up. No callback follows. */
  abort(): void {
    if (this.#over) return
    this.#end()
    this.#socket?.destroy()
  }

  #open(limits: DialLimits): Socket | null {
    const target = this.target
    const options = connectOptions(target, limits)
    if (options === null) {
      const what = target.source === null ? 'is not an IP address' : 'has no IP address'
      const reason = `${target.address} ${what}`
      return this.#failSoon(failure('dns-failure', reason))
    }
    if (target.tls === null) {
      const socket = connectTcp(options)
      socket.on('connect', () => {
        keepAlive(socket, limits)
        if (target.preface !== null) socket.write(target.preface)
        this.#connected()
      })
      socket.on('error', this.#onError)
      return socket
    }
    const secureContext = target.tls.current()
    if (secureContext === null) {
      return this.#failSoon(failure('tls-error', `TLS_error: ${target.tls.problem}`))
    }
    const secure = { secureContext, ...this.#identity(target.tls) }
    if (target.preface !== null) {
      return this.#openBehind(target.preface, connectTcp(options), limits, secure)
    }
    return this.#secure(connectTls({ ...options, ...secure }), limits)
  }

  /** TLS over a connection that says something else first. */
  #openBehind(
    preface: Buffer,
    plain: Socket,
    limits: DialLimits,
    secure: ConnectionOptions,
  ): Socket {
    plain.on('error', this.#onError)
    plain.once('connect', () => {
      if (this.#over) return
      this.#tcpConnected = true
      keepAlive(plain, limits)
      plain.write(preface)
      const options = { socket: plain, highWaterMark: limits.bufferBytes, ...secure }
      this.#socket = this.#secure(connectTls(options), limits)
    })
    return plain
  }

  #secure(socket: TLSSocket, limits: DialLimits): Socket {
    const target = this.target
    socket.once('connect', () => {
      this.#tcpConnected = true
      keepAlive(socket, limits)
    })
    socket.once('secureConnect', () => {
      if (target.alpn === null || isAgreed(socket.alpnProtocol, target.alpn)) {
        return this.#connected()
      }
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
      ...offeredProtocols(this.target),
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

  override expire(): void {
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
    deadlines.cancel(this)
  }
}

function spareReserve(dial: Dial, reserve: FileReserve): void {
  dial.spareReserve(reserve)
}

function failWithoutFile(dial: Dial): void {
  dial.failWithoutFile()
}

/** Newer than the types: Node before 26 leaves interval and count to the operating system. */
interface KeepAliveSocket {
  setKeepAlive(
    enable: boolean,
    initialDelayMs: number,
    intervalMs?: number,
    count?: number,
  ): unknown
}

function keepAlive(socket: KeepAliveSocket, limits: DialLimits): void {
  const { tcpKeepaliveMs, tcpKeepaliveIntervalMs, tcpKeepaliveProbes } = limits
  if (tcpKeepaliveIntervalMs === undefined && tcpKeepaliveProbes === undefined) return
  socket.setKeepAlive(true, tcpKeepaliveMs, tcpKeepaliveIntervalMs, tcpKeepaliveProbes)
}

class IdentityError extends Error {}

/** What Istio's sidecars know their own kind by: they choose mutual TLS and HTTP by these names. */
export const MESH_RAW = 'istio'
const MESH_HTTP1 = ['istio-http/1.1', 'istio', 'http/1.1']
const MESH_HTTP2 = ['istio-h2', 'istio', 'h2']

function offeredProtocols({ alpn, tls }: DialTarget): ConnectionOptions {
  if (tls !== null && tls.plan.mesh === true) {
    if (alpn === MESH_RAW) return { ALPNProtocols: [MESH_RAW] }
    return { ALPNProtocols: alpn === null ? MESH_HTTP1 : MESH_HTTP2 }
  }
  return alpn === null ? {} : { ALPNProtocols: [alpn] }
}

/** A name of the mesh stands for what the cluster's port says; raw bytes need none. */
function isAgreed(chosen: string | false | null, wanted: string): boolean {
  if (chosen === wanted || wanted === MESH_RAW) return true
  return typeof chosen === 'string' && MESH_HTTP2.includes(chosen)
}

/** null: there is no address to connect to. */
function connectOptions(target: DialTarget, limits: DialLimits): NetConnectOpts | null {
  const noDelay = true
  const keepAlive = limits.tcpKeepaliveMs > 0
  const keepAliveInitialDelay = limits.tcpKeepaliveMs
  const highWaterMark = limits.bufferBytes
  const settings = { noDelay, keepAlive, keepAliveInitialDelay, highWaterMark }
  if (target.ipVersion !== 0) {
    const { address: host, port } = target
    return { host, port, ...settings }
  }
  const place = placeOf(target)
  return place === null ? null : { ...place, ...settings }
}

/**
 * Where the socket goes. A name's addresses are tried one after the other, families in turn, by
 * Node's own Happy Eyeballs (RFC 8305).
 */
function placeOf(target: DialTarget): NetConnectOpts | null {
  const { address, port, source } = target
  if (address.startsWith('/')) return { path: address }
  const candidates = (source?.candidates ?? []).map((text) => ({
    address: text,
    family: isIP(text),
  }))
  const [first] = candidates
  if (first === undefined) return null
  if (candidates.length === 1) return { host: first.address, port }
  return {
    host: address,
    port,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ATTEMPT_DELAY_MS,
    lookup: (_name, options, done) => {
      if (options.all === true) done(null, candidates)
      else done(null, first.address, first.family)
    },
  }
}
