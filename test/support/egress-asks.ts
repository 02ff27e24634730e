import { connect, type Socket } from 'node:net'
import { connect as connectSecure } from 'node:tls'
import { text } from 'node:stream/consumers'
import { callProxy, openTunnel } from './egress.ts'
import { openSocks } from './socks.ts'

/** The ways into the egress port, as the ledger calls them. */
export const EGRESS_WAYS = ['http', 'connect', 'socks', 'tls'] as const
export type EgressWayName = (typeof EGRESS_WAYS)[number]

/** One client that asks for one host in one way. */
export interface EgressAsk {
  readonly way: EgressWayName
  readonly host: string
  readonly port: number
  /** Loopback address that the client stands at. */
  readonly client: string
}

export interface EgressAskSetting {
  readonly egressPort: number
  /** Of who signed the certificates of the sites. */
  readonly ca: string
  /** Where redirected connections come from, with a PROXY header that names client and port. */
  readonly redirector: string
}

/**
 * Asks for `/` over HTTP in absolute form, HTTPS inside CONNECT, HTTP inside SOCKS5, or HTTPS that
 * was redirected. The body of the answer, or why there is none.
 */
export async function askEgress(setting: EgressAskSetting, ask: EgressAsk): Promise<string> {
  const { egressPort } = setting
  const { way, host, port, client } = ask
  if (way === 'http') {
    const url = `http://${host}:${port}/`
    const { status, body } = await callProxy(egressPort, url, { localAddress: client })
    return status === 200 ? body : `refused: ${status}`
  }
  if (way === 'socks') {
    const { reply, socket } = await openSocks(egressPort, { host, port, localAddress: client })
    return reply === 0 ? getThrough(socket, host) : `refused: ${reply}`
  }
  if (way === 'connect') {
    const { status, socket } = await openTunnel(egressPort, `${host}:${port}`, '', client)
    if (status === 200) return getSecurely(socket, host, setting.ca)
    socket.destroy()
    return `refused: ${status}`
  }
  const to = { port: egressPort, host: '127.0.0.1', localAddress: setting.redirector }
  const socket = connect(to)
  socket.write(`PROXY TCP4 ${client} 203.0.113.1 40000 ${port}\r\n`)
  return getSecurely(socket, host, setting.ca)
}

function getSecurely(socket: Socket, host: string, ca: string): Promise<string> {
  return getThrough(connectSecure({ socket, servername: host, ca }), host)
}

async function getThrough(socket: Socket, host: string): Promise<string> {
  socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`)
  try {
    const answer = await text(socket)
    const end = answer.indexOf('\r\n\r\n')
    return answer.startsWith('HTTP/1.1 200 ') ? bodyOf(answer, end) : 'refused: no answer'
  } catch (error) {
    return `refused: ${error instanceof Error ? error.message : String(error)}`
  } finally {
    socket.destroy()
  }
}

function bodyOf(answer: string, headEnd: number): string {
  return answer.slice(headEnd + '\r\n\r\n'.length)
}
