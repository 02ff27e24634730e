import { generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto'
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

/** What a leaf may stand for: a server, a client, or either. */
export type LeafUse = 'server' | 'client' | 'both'

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

  /** An authority that was made before. Throws for what is no RSA pair in PEM. */
  static load(pair: CertificatePair): Authority {
    return new Authority(pair)
  }

  static create(commonName: string, days: number = CA_DAYS): Authority {
    const keys = rsaKeys()
    const certificate = blankCertificate(commonName, keys.publicKey, days)
    certificate.setIssuer(certificate.subject.attributes)
    certificate.setExtensions([
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
      { name: 'subjectKeyIdentifier' },
    ])
    certificate.sign(forge.pki.privateKeyFromPem(keys.privateKey), forge.md.sha256.create())
    return new Authority({
      certificate: certificatePem(certificate),
      key: keys.privateKey,
    })
  }

  /**
   * A server (and client) certificate for DNS names, wildcards, IP addresses and URIs such as SPIFFE
   * ids. The first is the common name.
   */
  issue(
    hosts: readonly string[],
    days: number = LEAF_DAYS,
    use: LeafUse = 'both',
  ): CertificatePair {
    const keys = rsaKeys()
    const certificate = this.#leaf(hosts, keys.publicKey, days, use)
    certificate.sign(this.#key, forge.md.sha256.create())
    return {
      certificate: certificatePem(certificate) + this.certificate,
      key: keys.privateKey,
    }
  }

  /** The same with an ECDSA key (P-256): node-forge knows RSA only, so its key is put in by hand. */
  issueEcdsa(
    hosts: readonly string[],
    days: number = LEAF_DAYS,
    use: LeafUse = 'both',
  ): CertificatePair {
    const keys = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      publicKeyEncoding: { type: 'spki', format: 'der' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    })
    return { certificate: this.certify(keys.publicKey, hosts, days, use), key: keys.privateKey }
  }

  /** A certificate (PEM, with the authority's behind it) for a key of somebody else: SPKI as DER. */
  certify(
    publicKey: Buffer,
    hosts: readonly string[],
    days: number = LEAF_DAYS,
    use: LeafUse = 'both',
  ): string {
    const certificate = this.#leaf(hosts, this.#publicKeyPem(), days, use)
    const body = unsigned(certificate)
    const fields = body.value as forge.asn1.Asn1[]
    fields[SUBJECT_KEY_FIELD] = forge.asn1.fromDer(publicKey.toString('latin1'))
    const signature = bitString(sign('sha256', der(body), this.key))
    const signed = sequence([body, signatureAlgorithm(), signature])
    return pem('CERTIFICATE', signed) + this.certificate
  }

  /** A certificate revocation list (PEM) with the given leaves on it; it is good for a day. */
  revoke(leaves: readonly CertificatePair[]): string {
    const { asn1, pki } = forge
    const now = new Date()
    const revoked = leaves.map(({ certificate }) => {
      const { serialNumber } = new X509Certificate(certificate)
      return sequence([
        primitive(asn1.Type.INTEGER, forge.util.hexToBytes(serialNumber)),
        time(now),
      ])
    })
    const issuer = (pki.certificateToAsn1(this.#certificate).value as forge.asn1.Asn1[])[0]!
    const name = (issuer.value as forge.asn1.Asn1[])[SUBJECT_FIELD]!
    const body = sequence([
      primitive(asn1.Type.INTEGER, '\x01'),
      signatureAlgorithm(),
      name,
      time(new Date(now.getTime() - BACKDATE_MS)),
      time(new Date(now.getTime() + DAY_MS)),
      ...(revoked.length === 0 ? [] : [sequence(revoked)]),
    ])
    const list = sequence([
      body,
      signatureAlgorithm(),
      bitString(sign('sha256', der(body), this.key)),
    ])
    return pem('X509 CRL', list)
  }

  #leaf(
    hosts: readonly string[],
    publicKey: string,
    days: number,
    use: LeafUse,
  ): forge.pki.Certificate {
    const certificate = blankCertificate(hosts[0] ?? 'localhost', publicKey, days)
    certificate.setIssuer(this.#certificate.subject.attributes)
    certificate.setExtensions([
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
      { name: 'extKeyUsage', serverAuth: use !== 'client', clientAuth: use !== 'server' },
      { name: 'subjectAltName', altNames: hosts.map(alternativeName) },
      { name: 'subjectKeyIdentifier' },
    ])
    return certificate
  }

  #publicKeyPem(): string {
    return forge.pki.publicKeyToPem(this.#certificate.publicKey as forge.pki.rsa.PublicKey)
  }
}

/** Places in a TBSCertificate with its version (RFC 5280 4.1). */
const SUBJECT_FIELD = 5
const SUBJECT_KEY_FIELD = 6

/** What a signature is made over. */
function unsigned(certificate: forge.pki.Certificate): forge.asn1.Asn1 {
  const oid = forge.pki.oids['sha256WithRSAEncryption'] ?? ''
  certificate.signatureOid = oid
  certificate.siginfo.algorithmOid = oid
  certificate.signature = ''
  const whole = forge.pki.certificateToAsn1(certificate).value as forge.asn1.Asn1[]
  return whole[0]!
}

function sequence(value: forge.asn1.Asn1[]): forge.asn1.Asn1 {
  const { asn1 } = forge
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, value)
}

function primitive(type: forge.asn1.Type, value: string): forge.asn1.Asn1 {
  return forge.asn1.create(forge.asn1.Class.UNIVERSAL, type, false, value)
}

function bitString(bytes: Buffer): forge.asn1.Asn1 {
  return primitive(forge.asn1.Type.BITSTRING, `\x00${bytes.toString('latin1')}`)
}

function time(date: Date): forge.asn1.Asn1 {
  return primitive(forge.asn1.Type.UTCTIME, forge.asn1.dateToUtcTime(date) as string)
}

/** sha256WithRSAEncryption: what the authority signs with. */
function signatureAlgorithm(): forge.asn1.Asn1 {
  const { asn1, pki } = forge
  const oid = asn1.oidToDer(pki.oids['sha256WithRSAEncryption']!).getBytes()
  return sequence([primitive(asn1.Type.OID, oid), primitive(asn1.Type.NULL, '')])
}

function der(value: forge.asn1.Asn1): Buffer {
  return Buffer.from(forge.asn1.toDer(value).getBytes(), 'latin1')
}

function pem(type: string, value: forge.asn1.Asn1): string {
  const lines =
    der(value)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${type}-----\n${lines.join('\n')}\n-----END ${type}-----\n`
}

/** With the line ends that text files have here. */
function certificatePem(certificate: forge.pki.Certificate): string {
  return forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n')
}

function alternativeName(host: string): { type: number; value?: string; ip?: string } {
  if (host.includes('://')) return { type: 6, value: host }
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
