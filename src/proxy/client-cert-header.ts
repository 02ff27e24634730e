import type { ClientCertificate } from '../http/exchange.ts'
import type { ClientCertForwarding } from '../snapshot/client-cert-forwarding.ts'

export const CLIENT_CERT_HEADER = 'x-forwarded-client-cert'

/** Elements made already: a connection shows one certificate for all its requests. */
const elements = new WeakMap<ClientCertificate, KnownElement>()

interface KnownElement {
  readonly forwarding: ClientCertForwarding
  readonly text: string
}

/** Whether the x-forwarded-client-cert that a client sends passes. */
export function keepsClientCert(forwarding: ClientCertForwarding, verified: boolean): boolean {
  const { mode } = forwarding
  if (mode === 'ALWAYS_FORWARD_ONLY') return true
  return verified && (mode === 'FORWARD_ONLY' || mode === 'APPEND_FORWARD')
}

/** The gateway's own element about a verified certificate, or null where the mode adds none. */
export function clientCertElement(
  forwarding: ClientCertForwarding,
  certificate: ClientCertificate,
): string | null {
  const { mode } = forwarding
  if (mode !== 'SANITIZE_SET' && mode !== 'APPEND_FORWARD') return null
  const known = elements.get(certificate)
  if (known !== undefined && known.forwarding === forwarding) return known.text
  const text = formatClientCert(certificate, forwarding)
  elements.set(certificate, { forwarding, text })
  return text
}

/**
 * One element of x-forwarded-client-cert in Envoy's order: By, Hash, Cert, Chain, Subject, URI, DNS.
 * Subject and URI stand there even when the certificate has none, as Envoy writes them.
 */
export function formatClientCert(
  certificate: ClientCertificate,
  details: Pick<ClientCertForwarding, 'subject' | 'cert' | 'chain' | 'dns' | 'uri'>,
): string {
  const { ownUri, hash, certPem, chainPem, subject, uriSans, dnsSans } = certificate
  const pairs: string[] = []
  if (ownUri !== null && ownUri !== '') pairs.push(`By=${value(ownUri)}`)
  if (hash !== '') pairs.push(`Hash=${hash}`)
  if (details.cert && certPem !== '') pairs.push(`Cert="${encodeURIComponent(certPem)}"`)
  if (details.chain && chainPem !== '') pairs.push(`Chain="${encodeURIComponent(chainPem)}"`)
  if (details.subject) pairs.push(`Subject="${quotable(subject)}"`)
  if (details.uri) {
    if (uriSans.length === 0) pairs.push('URI=')
    for (const uri of uriSans) pairs.push(`URI=${value(uri)}`)
  }
  if (details.dns) for (const name of dnsSans) pairs.push(`DNS=${value(name)}`)
  return pairs.join(';')
}

/** Names come from whoever made the certificate: what separates values there must be quoted. */
function value(text: string): string {
  return /^[\x21\x23-\x2b\x2d-\x3a\x3c\x3e-\x5b\x5d-\x7e]*$/.test(text)
    ? text
    : `"${quotable(text)}"`
}

/**
 * The inside of a quoted value. A quote gets a backslash unless it has one (RFC 2253 escapes it
 * already); what is no visible ASCII becomes `\XX`, byte by byte, as RFC 2253 allows.
 */
function quotable(text: string): string {
  let quoted = ''
  let escaped = false
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0
    if (code < 0x20 || code > 0x7e) {
      // A backslash in front would swallow the one that begins the escape.
      if (escaped) quoted += '\\'
      for (const byte of Buffer.from(char, 'utf8'))
        quoted += `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`
      escaped = false
      continue
    }
    if (char === '"' && !escaped) quoted += '\\'
    quoted += char
    escaped = char === '\\' && !escaped
  }
  return escaped ? `${quoted}\\` : quoted
}
