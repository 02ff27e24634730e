import { hash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import type { DownstreamConnection } from '../http/exchange.ts'
import {
  type DeclaredHost,
  type EgressClient,
  type EgressControl,
  type EgressUser,
  UNKNOWN_CLIENT,
} from '../snapshot/egress-control.ts'

const BASIC = /^basic +([a-z0-9+/]+={0,2}) *$/i
/** RFC 7617 sets no limit; no user needs more. */
export const MAX_CREDENTIALS_LENGTH = 1_024
/** Stands for a user who does not exist. */
const NOBODY: EgressUser = {
  digest: Buffer.alloc(32),
  algorithm: 'sha256',
  client: UNKNOWN_CLIENT,
}
/** `spiffe://cluster.local/ns/shop/sa/web` */
const WORKLOAD_ID = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/([^/]+)$/

/**
 * Who asks: the workload of a verified client certificate, else the user of Proxy-Authorization,
 * else the Pod or WorkloadEntry at the address of the connection. What the client says in other
 * headers counts for nothing. null: it must say who it is and does not, or says it wrong.
 */
export function identifyClient(
  control: EgressControl,
  connection: DownstreamConnection,
  credentials: string | null,
): EgressClient | null {
  const certified = byCertificate(control, connection)
  if (certified !== null) return certified
  if (control.users !== null && credentials !== null)
    return byCredentials(control.users, credentials)
  return clientAt(control, connection.remoteAddress)
}

/** Who connects from an address; null: nothing tells, and such clients are refused. */
export function clientAt(control: EgressControl, address: string): EgressClient | null {
  const known = control.workloads.get(address)
  if (known !== undefined) return known
  return control.refuseUnknown ? null : control.unknown
}

/** RFC 7617 Basic. null: there is no such user, or the password is another. */
export function byCredentials(
  users: ReadonlyMap<string, EgressUser>,
  credentials: string,
): EgressClient | null {
  if (credentials.length > MAX_CREDENTIALS_LENGTH) return null
  const encoded = BASIC.exec(credentials)?.[1]
  if (encoded === undefined) return null
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon === -1) return null
  const user = users.get(text.slice(0, colon)) ?? NOBODY
  const digest = hash(user.algorithm, text.slice(colon + 1), 'buffer')
  // An unknown name costs as much as a wrong password.
  const equal = timingSafeEqual(digest, user.digest)
  return equal && user !== NOBODY ? user.client : null
}

function byCertificate(
  control: EgressControl,
  connection: DownstreamConnection,
): EgressClient | null {
  const certificate = connection.tls === null ? null : connection.tls.clientCertificate
  if (certificate === null) return null
  for (const id of certificate.uriSans) {
    const parts = WORKLOAD_ID.exec(id)
    if (parts === null) continue
    const namespace = parts[1] ?? ''
    const serviceAccount = parts[2] ?? ''
    // The Pod at the address has the labels that a Sidecar selects by, when it is the same workload.
    const pod = control.workloads.get(connection.remoteAddress) ?? control.unknown
    const same = pod.namespace === namespace && pod.serviceAccount === serviceAccount
    const scope = control.scopes.get(namespace) ?? control.scopes.get('') ?? null
    return { by: 'certificate', id, namespace, serviceAccount, scope: same ? pod.scope : scope }
  }
  return null
}

/** Who declares the host or address on this port, or null. */
export function declarationOf(
  control: EgressControl,
  host: string,
  port: number,
): DeclaredHost | null {
  const table = control.declarations.get(port)
  const found = table === undefined ? null : table.find(host)
  if (found !== null || isIP(host) === 0) return found
  for (const entry of control.addresses) {
    if (entry.port === port && entry.cidr.contains(host)) return entry.declared
  }
  return null
}
