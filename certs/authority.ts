import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import forge from 'node-forge'

const RSA_BITS = 2048
const CA_DAYS = 3650
/** Browsers and Apple platforms refuse leaves that live longer than 825 days. */
const LEAF_DAYS = 397
const DAY_MS = 24 * 60 * 60 * 1000
/** Clocks differ: certificates are valid from this long ago. */
const BACKDATE_MS = 60 * 60 * 1000

export interface CertificatePair {
  /** PEM; for leaves followed by the authority's certificate. */
  readonly certificate: string
  /** PEM, PKCS #8. */
  readonly key: string
}

/** A development certificate authority: lives in memory, signs leaves for the hosts asked for. */
export class Authority {
  readonly certificate: string
  readonly key: string
  readonly #certificate: forge.pki.Certificate
  readonly #key: forge.pki.rsa.PrivateKey

  private constructor(pair: CertificatePair) {
    this.certificate = pair.certificate
    this.key = pair.key
    this.#certificate = forge.pki.certificateFromPem(pair.certificate)
    this.#key = forge.pki.privateKeyFromPem(pair.key)
  }

  static create(commonName: string): Authority {
    const keys = rsaKeys()
    const certificate = blankCertificate(commonName, keys.publicKey, CA_DAYS)
    certificate.setIssuer(certificate.subject.attributes)
    certificate.setExtensions([
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
      { name: 'subjectKeyIdentifier' },
    ])
    certificate.sign(forge.pki.privateKeyFromPem(keys.privateKey), forge.md.sha256.create())
    return new Authority({
      certificate: forge.pki.certificateToPem(certificate),
      key: keys.privateKey,
    })
  }

  /** A server (and client) certificate for DNS names, wildcards and IP addresses. */
  issue(hosts: readonly string[], days: number = LEAF_DAYS): CertificatePair {
    const keys = rsaKeys()
    const certificate = blankCertificate(hosts[0] ?? 'localhost', keys.publicKey, days)
    certificate.setIssuer(this.#certificate.subject.attributes)
    certificate.setExtensions([
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      { name: 'subjectAltName', altNames: hosts.map(alternativeName) },
      { name: 'subjectKeyIdentifier' },
    ])
    certificate.sign(this.#key, forge.md.sha256.create())
    return {
      certificate: forge.pki.certificateToPem(certificate) + this.certificate,
      key: keys.privateKey,
    }
  }
}

function alternativeName(host: string): { type: number; value?: string; ip?: string } {
  return isIP(host) === 0 ? { type: 2, value: host } : { type: 7, ip: host }
}

function rsaKeys(): { publicKey: string; privateKey: string } {
  return generateKeyPairSync('rsa', {
    modulusLength: RSA_BITS,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
}

function blankCertificate(
  commonName: string,
  publicKey: string,
  days: number,
): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey)
  // A positive serial of 127 bits (RFC 5280 4.1.2.2).
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x7f) | 0x01
  certificate.serialNumber = serial.toString('hex')
  const now = Date.now()
  certificate.validity.notBefore = new Date(now - BACKDATE_MS)
  certificate.validity.notAfter = new Date(now + days * DAY_MS)
  certificate.setSubject([
    { name: 'organizationName', value: 'Tidegate development' },
    { name: 'commonName', value: commonName.slice(0, 64) },
  ])
  return certificate
}
