import type { SecretText } from '../base/secret-text.ts'

/** Where a certificate and its key come from. Files are read (and re-read on change) by tls/. */
export type CertificateSource =
  | {
      readonly kind: 'pem'
      /** `kubernetes://istio-system/calcclient-cert`: for people and for identity. */
      readonly name: string
      readonly certificate: string
      readonly key: SecretText
    }
  | {
      readonly kind: 'files'
      readonly name: string
      readonly certificate: string
      readonly key: string
    }

/** How control of a host is shown to an ACME server: RFC 8555 8.3, or RFC 8737. */
export type AcmeChallenge = 'http-01' | 'tls-alpn-01'

/** A certificate of one host that an ACME server issues while the gateway runs. */
export interface AcmeSource {
  readonly kind: 'acme'
  /** `acme://shop.example`, with the directory behind it when a Gateway names one. */
  readonly name: string
  /** Lower-case DNS name without wildcard. */
  readonly host: string
  /** URL of the directory, or null: that of `--acme-directory`. */
  readonly directory: string | null
  /** Contact of the account, or null: that of `--acme-email`. */
  readonly email: string | null
  readonly challenge: AcmeChallenge
}

/** Where the certificates that a server shows come from. */
export type ServerCertificateSource = CertificateSource | AcmeSource

/** TLS versions as Gateway spells them, resolved. */
export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'

/** Trusted authorities or revocation lists. Files are read (and re-read on change) by tls/. */
export type TrustSource =
  | { readonly kind: 'pem'; readonly name: string; readonly text: string }
  | { readonly kind: 'file'; readonly path: string }

/** What is asked of a client's certificate. */
export interface ClientVerification {
  /** False (OPTIONAL_MUTUAL): a client may come without; one that is shown is verified all the same. */
  readonly required: boolean
  /** insecureSkipVerify: a certificate that nobody trusts is let in, and counts as none. */
  readonly acceptsUntrusted: boolean
  /** null with `acceptsUntrusted` only. */
  readonly ca: TrustSource | null
  /** Every authority of a chain needs a list when there is one. */
  readonly crl: TrustSource | null
  /** Exact names, any of which has to be among the certificate's; empty: any certificate. */
  readonly subjectAltNames: readonly string[]
  /** Base64 SHA-256 of public keys; with `hashes`, one match among both is enough. */
  readonly spki: readonly string[]
  /** SHA-256 of certificates, lower-case hex without colons. */
  readonly hashes: readonly string[]
}

/** The server side of one Gateway server's TLS block, where TLS ends here. */
export interface ServerTlsPlan {
  /** One, or an RSA and an ECDSA pair. */
  readonly certificates: readonly ServerCertificateSource[]
  readonly minVersion: TlsVersion
  readonly maxVersion: TlsVersion
  /** OpenSSL cipher list for TLS 1.2 and below, or null for the default. */
  readonly ciphers: string | null
  /** OpenSSL list of key exchange groups (`X25519:P-256`). Absent: the default. */
  readonly curves?: string
  readonly alpn: readonly string[]
  /** Absent: clients are not asked for a certificate. */
  readonly client?: ClientVerification
}

/** TLS origination towards an upstream. Mirrors DestinationRule tls. */
export interface UpstreamTlsPlan {
  /** Explicit SNI, or null: the Host after rewrite. */
  readonly serverName: string | null
  readonly subjectAltNames: readonly string[]
  /** PEM of the trusted CAs, or null for the system's roots. */
  readonly ca: string | null
  /** File to read the CAs from, or null. */
  readonly caFile: string | null
  readonly client: CertificateSource | null
  readonly insecureSkipVerify: boolean
  /** PEM of certificate revocation lists. Absent: no list is checked. */
  readonly crl?: string
  /** File to read them from. */
  readonly crlFile?: string
  /** Mesh mutual TLS: the protocol names of Istio's sidecars are offered by ALPN. */
  readonly mesh?: boolean
  /** Absent: TLS 1.2. */
  readonly minVersion?: TlsVersion
  /** OpenSSL cipher list for TLS 1.2. Absent: the default. */
  readonly ciphers?: string
  /** OpenSSL list of key exchange groups. Absent: the default. */
  readonly curves?: string
}
