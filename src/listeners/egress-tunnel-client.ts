import type { Socket } from 'node:net'
import { constants } from 'node:os'
import { AcceptedPeer } from '../http/accepted-peer.ts'
import type { DownstreamConnection, DownstreamExchange, ExchangeHandler } from '../http/exchange.ts'
import { Headers } from '../http/headers.ts'
import { Request } from '../http/request.ts'
import { BLACK_HOLE } from '../proxy/egress-refusal.ts'
import type { EgressWay } from '../proxy/egress-way.ts'
import { Exchange } from '../proxy/exchange.ts'
import type { TcpDownstreamHandler } from '../proxy/tcp.ts'
import { announcedPeer } from './announced-peers.ts'
import { SOCKS_REPLY, socksReply, type SocksReply } from './socks5.ts'
import { TcpClient } from './tcp-client.ts'

/** What a refused client gets to read its reply in. */
const LINGER_MS = 1_000

/**
 * A connection that asked for a tunnel without HTTP (SOCKS, or TLS that was redirected here) as an
 * exchange of method CONNECT: policy, limits, metrics and logs are those of any other tunnel. A
 * refusal is a SOCKS reply, or the end of the connection.
 */
export class TunnelClient implements DownstreamExchange, TcpDownstreamHandler {
  readonly request: Request
  readonly connection: DownstreamConnection
  handler: ExchangeHandler | null
  bytesReceived: number
  bytesSent: number
  headSent: boolean
  ownStatus: number
  readonly #socket: Socket
  readonly #tcp: TcpClient
  readonly #way: EgressWay
  /** Our side of the upstream connection, while it is noted as ours. */
  #ownTunnel: string
  #clientEnded: boolean
  #outputEnded: boolean
  #over: boolean

  /** `credentials`: of SOCKS, as Proxy-Authorization has them. `socket` holds what came behind the request for a tunnel, and has no listener that reads. */
  constructor(socket: Socket, way: EgressWay, authority: string, credentials: string | null) {
    this.connection = new AcceptedPeer(socket, way, announcedPeer(socket))
    this.request = connectRequest(authority, credentials)
    this.handler = null
    this.bytesReceived = 0
    this.bytesSent = 0
    this.headSent = false
    this.ownStatus = 0
    this.#socket = socket
    this.#tcp = new TcpClient(socket, this.connection)
    this.#way = way
    this.#ownTunnel = ''
    this.#clientEnded = false
    this.#outputEnded = false
    this.#over = false
    socket.on('error', ignore)
    socket.once('close', () => this.onClientClosed())
  }

  /** `ms` without a byte in either direction end the tunnel; Infinity: never. */
  limitIdleTime(ms: number): void {
    if (ms !== Infinity) this.#socket.setTimeout(ms, this.#onIdle)
  }

  readonly #onIdle = (): void => {
    if (this.#over) return
    this.#finish()
    this.#tcp.abort()
    this.handler?.onDownstreamAbort('timeout')
  }

  pauseRequestBody(): void {
    this.#tcp.pause()
  }

  resumeRequestBody(): void {
    if (!this.#over) this.#tcp.resume()
  }

  sendInformational(): void {}

  sendHead(): boolean {
    this.#refuse()
    return true
  }

  sendWhole(): void {
    this.#refuse()
  }

  sendTunnelHead(): void {
    if (this.headSent || this.#over) return
    this.headSent = true
    if (this.#way.kind === 'socks') this.#tcp.send(socksReply(SOCKS_REPLY.succeeded))
    else this.#noteTunnel()
    this.#tcp.start(this)
  }

  sendBody(chunk: Buffer): boolean {
    if (this.#over || this.#outputEnded) return true
    this.bytesSent += chunk.length
    return this.#tcp.send(chunk)
  }

  sendEnd(): void {
    if (this.#over || this.#outputEnded) return
    this.#outputEnded = true
    this.#tcp.end()
    process.nextTick(settle, this)
  }

  closeAfter(): void {}

  abort(): void {
    if (this.#over) return
    this.#finish()
    this.#tcp.abort()
  }

  onClientData(chunk: Buffer): void {
    if (this.#over) return
    this.bytesReceived += chunk.length
    this.handler?.onRequestBody(chunk)
  }

  onClientEnd(): void {
    if (this.#over) return
    this.#clientEnded = true
    this.handler?.onRequestEnd(null)
    this.settle()
  }

  onClientDrain(): void {
    if (!this.#over) this.handler?.onDownstreamDrain()
  }

  onClientClosed(): void {
    if (this.#over) return
    this.#finish()
    this.handler?.onDownstreamAbort('client-closed')
  }

  /** Both sides have ended: the tunnel is complete. */
  settle(): void {
    if (this.#over || !this.#clientEnded || !this.#outputEnded) return
    this.#finish()
    this.handler?.onResponseSent()
  }

  /** SOCKS clients are told why; others see their connection end (Istio: no alert). */
  #refuse(): void {
    if (this.headSent || this.#over) return
    this.headSent = true
    this.#finish()
    if (this.#way.kind === 'socks') {
      this.#socket.end(socksReply(replyCode(this.handler)))
      this.#socket.resume()
      setTimeout(() => this.#socket.destroy(), LINGER_MS).unref()
    } else this.#tcp.close()
    process.nextTick(tellSent, this)
  }

  #noteTunnel(): void {
    const { handler } = this
    if (!(handler instanceof Exchange)) return
    this.#ownTunnel = handler.upstreamLocal
    handler.runtime.ownTunnels.add(this.#ownTunnel)
  }

  #finish(): void {
    this.#over = true
    this.#socket.setTimeout(0)
    if (this.#ownTunnel === '' || !(this.handler instanceof Exchange)) return
    this.handler.runtime.ownTunnels.delete(this.#ownTunnel)
  }
}

function settle(client: TunnelClient): void {
  client.settle()
}

function tellSent(client: TunnelClient): void {
  client.handler?.onResponseSent()
}

function connectRequest(authority: string, credentials: string | null): Request {
  const headers = new Headers()
  if (credentials !== null) headers.add('proxy-authorization', credentials)
  return new Request({
    protocol: 'HTTP/1.1',
    method: 'CONNECT',
    scheme: 'http',
    authority,
    path: '',
    query: '',
    headers,
    bodyLength: 0,
    upgrade: null,
    expectsContinue: false,
    absoluteForm: false,
  })
}

const CONNECT_ERROR = /delayed connect error: (\d+)/

/** What of RFC 1928 6 comes nearest to why there is no tunnel. */
export function replyCode(handler: ExchangeHandler | null): SocksReply {
  if (!(handler instanceof Exchange)) return SOCKS_REPLY.generalFailure
  if (handler.clusterLabel === BLACK_HOLE) return SOCKS_REPLY.notAllowed
  if (handler.flags === 'DF') return SOCKS_REPLY.hostUnreachable
  if (handler.details.includes('connection_timeout')) return SOCKS_REPLY.hostUnreachable
  const { ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, ETIMEDOUT } = constants.errno
  switch (Number(CONNECT_ERROR.exec(handler.transportFailure)?.[1])) {
    case ECONNREFUSED:
      return SOCKS_REPLY.connectionRefused
    case ENETUNREACH:
      return SOCKS_REPLY.networkUnreachable
    case EHOSTUNREACH:
    case ETIMEDOUT:
      return SOCKS_REPLY.hostUnreachable
    default:
      return SOCKS_REPLY.generalFailure
  }
}

function ignore(): void {}
