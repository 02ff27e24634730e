import { error, info, warning, type Catalogue } from './entry.ts'

/** Gateway, and TLS blocks. */
export const gatewayProblems: Catalogue = {
  'invalid-resource-name': error(
    'The name of a Gateway is not a DNS label.',
    'Use letters, digits and dashes, at most 63.',
  ),
  'gateway-selects-all': info(
    'A Gateway without selector applies to every gateway of every namespace.',
    'Add a selector if it is meant for one.',
  ),
  'target-port-on-gateway': error(
    'targetPort has no impact on Gateways.',
    'Remove it; the Service that selects the gateway has the target port.',
  ),
  'unix-bind-not-served': error(
    'A Gateway server asks to listen on a unix socket.',
    'Bind to an IP address.',
  ),
  'tls-on-plain-port': error(
    'TLS settings on a server whose protocol is not HTTPS or TLS.',
    'Write protocol: HTTPS, or remove tls.',
  ),
  'tls-mode-missing': warning(
    'A tls block without mode: PASSTHROUGH on a Gateway, DISABLE on a DestinationRule.',
    'Write the mode that is meant.',
  ),
  'redirect-on-tls': warning(
    'httpsRedirect on a TLS server.',
    'Put it on the server of the plain HTTP port.',
  ),
  'certificate-without-termination': warning(
    'A certificate on a server that does not terminate TLS is ignored.',
    'Write mode: SIMPLE to use it.',
  ),
  'client-certificate-not-asked': warning(
    'A restriction on client certificates on a server that asks for none.',
    'Write mode: MUTUAL to require them.',
  ),
  'missing-certificate': error(
    'The TLS mode needs a certificate, key or CA that is not named.',
    'Name a Secret in credentialName, or the files.',
  ),
  'invalid-certificate-hash': error(
    'A hash that no certificate or public key can have.',
    'Write SHA-256: hex for certificates, base64 for public keys.',
  ),
  'too-many-certificates': error(
    'More than two credentials for one server.',
    'List one RSA and one ECDSA certificate.',
  ),
  'extra-certificates': warning('More than two certificate pairs.', 'Keep the first two.'),
  'tls-version-range': error(
    'The minimum TLS version is above the maximum.',
    'Correct one of them; no client could connect.',
  ),
  'legacy-tls-version': warning(
    'TLS 1.0 or 1.1 is allowed without ciphers that it could use.',
    'Raise minProtocolVersion or list cipherSuites.',
  ),
  'unknown-tls-name': warning(
    'An unknown cipher suite or curve is left out; an empty rest means the defaults.',
    'Correct the name.',
  ),
  'invalid-acme-annotation': error(
    'A tidegate.dev/acme annotation has a value that cannot be read.',
    'Write true, letsencrypt or the https URL of a directory; http-01 or tls-alpn-01; one email address.',
  ),
  'acme-wildcard-host': warning(
    'A Gateway asks for certificates by ACME, and a host is a wildcard: none can be ordered for it.',
    'List the names, or bring a certificate for the wildcard.',
  ),
  'duplicate-tls-name': warning('A cipher suite or curve is listed twice.', 'Remove one.'),
}
