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

/** TLS versions as Gateway spells them, resolved. */
export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'

/** The server side of one Gateway server's TLS block (mode SIMPLE). */
export interface ServerTlsPlan {
  /** One, or an RSA and an ECDSA pair. */
  readonly certificates: readonly CertificateSource[]
  readonly minVersion: TlsVersion
  readonly maxVersion: TlsVersion
  /** OpenSSL cipher list for TLS 1.2 and below, or null for the default. */
  readonly ciphers: string | null
  readonly alpn: readonly string[]
}

/** TLS origination towards an upstream. DestinationRule tls; istio-api 9.30. */
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
}
