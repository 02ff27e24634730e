import { hostOf } from '../routing/host-table.ts'
import type { TlsChainPlan, TlsChainTable } from '../snapshot/listener-plan.ts'

type ServerTls = TlsChainPlan['tls']
type ClientRules = NonNullable<ServerTls['client']>

const VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']

/**
 * The chain whose routes serve `authority` on a connection that was accepted for `chain`: its own,
 * or the chain that owns the host, if a connection to that one would have been no better. null: the
 * client has to open another connection (421, RFC 9110 15.5.20). `covers` tells whether the
 * certificate that the client was shown stands for the host.
 */
export function servingChain(
  table: TlsChainTable,
  chain: TlsChainPlan,
  authority: string,
  covers: (host: string, owner: TlsChainPlan) => boolean,
): TlsChainPlan | null {
  const host = hostOf(authority)
  const owner = table.bySni.find(host)
  if (owner === null || owner === chain) return chain
  if (owner.passesThrough || owner.opaque || owner.tls.certificates.length === 0) return null
  return lackingPolicy(chain.tls, owner.tls) === null && covers(host, owner) ? owner : null
}

/** Both servers show the same certificates: what is known without a connection. */
export function sharesCertificates(chain: TlsChainPlan, owner: TlsChainPlan): boolean {
  const names = ({ tls }: TlsChainPlan): string =>
    tls.certificates.map(({ name }) => name).join('\n')
  return names(chain) === names(owner)
}

/** What a server may ask of a connection. */
export type Policy = 'minProtocolVersion' | 'cipherSuites' | 'clientCertificate'

/** The first thing `wanted` asks for that a connection under `held` has not met, or null. */
export function lackingPolicy(held: ServerTls, wanted: ServerTls): Policy | null {
  if (VERSIONS.indexOf(held.minVersion) < VERSIONS.indexOf(wanted.minVersion)) {
    return 'minProtocolVersion'
  }
  if (wanted.ciphers !== null && wanted.ciphers !== held.ciphers) return 'cipherSuites'
  if (wanted.client === undefined) return null
  const isSame = held.client !== undefined && sameRules(held.client, wanted.client)
  return isSame ? null : 'clientCertificate'
}

function sameRules(a: ClientRules, b: ClientRules): boolean {
  return (
    a.required === b.required &&
    a.acceptsUntrusted === b.acceptsUntrusted &&
    sameTrust(a.ca, b.ca) &&
    sameTrust(a.crl, b.crl) &&
    sameTexts(a.subjectAltNames, b.subjectAltNames) &&
    sameTexts(a.spki, b.spki) &&
    sameTexts(a.hashes, b.hashes)
  )
}

function sameTrust(a: ClientRules['ca'], b: ClientRules['ca']): boolean {
  if (a === null || b === null) return a === b
  if (a.kind === 'pem') return b.kind === 'pem' && a.text === b.text
  return b.kind === 'file' && a.path === b.path
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index])
}
