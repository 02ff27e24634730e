import { acmeDirectory } from '../../base/acme-directory.ts'
import { splitNamespacedHost } from '../names.ts'
import type { GatewayServer } from './gateway.ts'
import type { Place } from './place.ts'

/** `true`, the name of a known authority, or the URL of a directory (RFC 8555 7.1.1). */
export const ACME_ANNOTATION = 'tidegate.dev/acme'
/** `http-01` or `tls-alpn-01`; absent: what the ports of the Gateways allow. */
export const ACME_CHALLENGE_ANNOTATION = 'tidegate.dev/acme-challenge'
/** Contact of the account; absent: `--acme-email`. */
export const ACME_EMAIL_ANNOTATION = 'tidegate.dev/acme-email'

const CHALLENGES = ['http-01', 'tls-alpn-01'] as const

/** What a Gateway asks for by annotation. */
export interface AcmeAnnotations {
  /** URL, or null: that of `--acme-directory`. */
  readonly directory: string | null
  readonly challenge: (typeof CHALLENGES)[number] | null
  readonly email: string | null
}

/** null: the Gateway asks for no certificates. Values that cannot be read count as absent. */
export function acmeAnnotations(
  annotations: Readonly<Record<string, string>>,
): AcmeAnnotations | null {
  const asked = annotations[ACME_ANNOTATION]
  if (asked === undefined || asked === 'false') return null
  const challenge = annotations[ACME_CHALLENGE_ANNOTATION]
  return {
    directory: asked === 'true' ? null : acmeDirectory(asked),
    challenge: CHALLENGES.find((known) => known === challenge) ?? null,
    email: annotations[ACME_EMAIL_ANNOTATION] ?? null,
  }
}

/** `at` is `metadata.annotations`. */
export function checkAcmeAnnotations(
  at: Place,
  annotations: Readonly<Record<string, string>>,
): void {
  const asked = annotations[ACME_ANNOTATION]
  if (asked === undefined) return
  if (asked !== 'true' && asked !== 'false' && acmeDirectory(asked) === null) {
    at.at(ACME_ANNOTATION).error(
      'invalid-acme-annotation',
      `"${asked}" is neither true, false, letsencrypt, letsencrypt-staging nor the https URL of an ACME directory`,
      `write ${ACME_ANNOTATION}: "true" for the directory of --acme-directory`,
    )
  }
  const challenge = annotations[ACME_CHALLENGE_ANNOTATION]
  if (challenge !== undefined && !CHALLENGES.some((known) => known === challenge)) {
    at.at(ACME_CHALLENGE_ANNOTATION).error(
      'invalid-acme-annotation',
      `"${challenge}" is no challenge that is served`,
      `write http-01 or tls-alpn-01, or leave ${ACME_CHALLENGE_ANNOTATION} out`,
    )
  }
  const email = annotations[ACME_EMAIL_ANNOTATION]
  if (email !== undefined && !/^[^\s@,?]+@[^\s@,?]+$/.test(email)) {
    at.at(ACME_EMAIL_ANNOTATION).error(
      'invalid-acme-annotation',
      `"${email}" is not an email address`,
      'write the one address that the certificate authority may write to',
    )
  }
}

const TERMINATING: ReadonlySet<string> = new Set(['SIMPLE', 'MUTUAL', 'OPTIONAL_MUTUAL'])

/** A server that ends TLS and names no certificate of its own gets ordered ones. */
export function wantsOrderedCertificates(server: GatewayServer): boolean {
  const { tls } = server
  if (tls === undefined || !TERMINATING.has(tls.mode ?? '')) return false
  const texts = [tls.credentialName, tls.serverCertificate, tls.privateKey]
  const lists = [tls.credentialNames, tls.tlsCertificates]
  return (
    texts.every((text) => text === undefined || text === '') &&
    lists.every((list) => (list?.length ?? 0) === 0)
  )
}

/** Wildcards need a challenge by DNS (RFC 8555 8.4), which is not served. */
export function checkOrderedHosts(place: Place, server: GatewayServer): void {
  place.each('hosts', server.hosts, (written, at) => {
    const { host } = splitNamespacedHost(written)
    if (!host.startsWith('*')) return
    at.warning(
      'acme-wildcard-host',
      `no certificate can be ordered for ${host}: neither http-01 nor tls-alpn-01 proves a wildcard; TLS connections for names that only it covers fail`,
      'list the names one by one, or give this host a server of its own with credentialName',
    )
  })
}
