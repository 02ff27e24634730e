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
  return asStrict(chain.tls, owner.tls) && covers(host, owner) ? owner : null
}

/** Both servers show the same certificates: what is known without a connection. */
export function sharesCertificates(chain: TlsChainPlan, owner: TlsChainPlan): boolean {
  const names = ({ tls }: TlsChainPlan): string =>
    tls.certificates.map(({ name }) => name).join('\n')
  return names(chain) === names(owner)
}

/** Has a connection under `held` met everything that `wanted` asks for? */
function asStrict(held: ServerTls, wanted: ServerTls): boolean {
  if (VERSIONS.indexOf(held.minVersion) < VERSIONS.indexOf(wanted.minVersion)) return false
  if (wanted.ciphers !== null && wanted.ciphers !== held.ciphers) return false
  if (wanted.client === undefined) return true
  return held.client !== undefined && sameRules(held.client, wanted.client)
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
