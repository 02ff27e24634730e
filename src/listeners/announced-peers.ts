import type { Socket } from 'node:net'
import type { PeerAddresses } from '../http/accepted-peer.ts'

/** Addresses that a PROXY header gave, as long as their connection lives. */
const announced = new WeakMap<Socket, PeerAddresses>()

/** From now on `peer` is who is at the other end of the connection. */
export function announcePeer(socket: Socket, peer: PeerAddresses): void {
  announced.set(socket, peer)
}

/** null: the socket's own addresses are true. */
export function announcedPeer(socket: Socket): PeerAddresses | null {
  return announced.get(socket) ?? null
}

/** The TLS connection inside `socket` has the same peer. */
export function handDownPeer(socket: Socket, secure: Socket): void {
  const peer = announced.get(socket)
  if (peer !== undefined) announced.set(secure, peer)
}
