import { X509Certificate } from 'node:crypto'
import { lackingPolicy, type Policy, sharesCertificates } from '../proxy/misdirected.ts'
import { hostOf } from '../routing/host-table.ts'
import type { TlsChainPlan, TlsChainTable } from '../snapshot/listener-plan.ts'
import { identityProblem } from '../tls/server-identity.ts'

/**
 * Does the certificate of `chain` stand for a host of `owner`, as far as the configuration says?
 * What is read from files, or ordered, is not looked at here: it counts when both servers show the
 * same.
 */
export function coversHost(chain: TlsChainPlan, owner: TlsChainPlan, host: string): boolean {
  return sharesCertificates(chain, owner) || certificateProblem(chain, host) === null
}

/** Why a request on a connection of `chain` is answered 421 (RFC 9110 15.5.20). */
export function misdirection(table: TlsChainTable, chain: TlsChainPlan, authority: string): string {
  const host = hostOf(authority)
  const owner = table.bySni.find(host)
  const named = `${authority} belongs to another server of this port than the one the TLS server name chose`
  if (owner === null) return named
  return `${named} (${owner.name}, not ${chain.name}): ${whyNot(chain, owner, host)}`
}

function whyNot(chain: TlsChainPlan, owner: TlsChainPlan, host: string): string {
  if (owner.passesThrough) return `${host} is passed through, its TLS does not end here`
  if (owner.opaque) return 'that server speaks no HTTP'
  if (owner.tls.certificates.length === 0) return 'that server has no certificate it can use'
  const policy = lackingPolicy(chain.tls, owner.tls)
  if (policy !== null) return WANTS[policy](chain, owner)
  return certificateProblem(chain, host) ?? 'its certificate does not cover the host'
}

const WANTS: Readonly<Record<Policy, (chain: TlsChainPlan, owner: TlsChainPlan) => string>> = {
  minProtocolVersion: (chain, owner) =>
    `that server wants ${owner.tls.minVersion} or newer (minProtocolVersion), this connection may be ${chain.tls.minVersion}`,
  cipherSuites: (_chain, owner) =>
    `that server has a list of its own of ciphers (cipherSuites ${owner.tls.ciphers ?? ''})`,
  clientCertificate: (chain, owner) =>
    `that server verifies clients (mode ${owner.mode}), this connection was accepted with ${chain.mode === owner.mode ? 'other rules for them' : `mode ${chain.mode}`}`,
}

/** null: every certificate that may have been shown covers the host. */
function certificateProblem({ tls }: TlsChainPlan, host: string): string | null {
  for (const source of tls.certificates) {
    if (source.kind === 'acme') {
      if (source.host === host) continue
      return `certificate ${source.name} is for ${source.host}, not for ${host}`
    }
    if (source.kind === 'files') {
      return `certificate ${source.name} is not the one of that server, and is not known here to cover ${host}`
    }
    const problem = problemOf(source.certificate, host)
    if (problem !== null) return `certificate ${source.name}: ${problem}`
  }
  return tls.certificates.length === 0 ? 'there is no certificate' : null
}

function problemOf(pem: string, host: string): string | null {
  try {
    return identityProblem(new X509Certificate(pem), [host])
  } catch {
    return 'it cannot be read'
  }
}
