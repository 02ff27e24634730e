import { createPrivateKey, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { alternativeNames } from '../tls/alternative-names.ts'

const DAY_MS = 24 * 60 * 60 * 1000

export interface ChainLink {
  readonly subject: string
  readonly issuer: string
  readonly serialNumber: string
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string
  readonly notBefore: string
  readonly notAfter: string
  /** `rsa 2048`, `ec prime256v1`, `ed25519`. */
  readonly publicKey: string
}

/** One certificate with what is behind it in its chain. */
export interface CertificateReport {
  /** File, Secret, address. */
  readonly source: string
  /** Leaf first. */
  readonly chain: readonly ChainLink[]
  readonly subjectAltNames: readonly string[]
  readonly daysLeft: number | null
  /** null: no key is known. */
  readonly keyMatches: boolean | null
  /** Hosts of the servers that use it, where that is known. */
  readonly serves: readonly string[]
  readonly problems: readonly string[]
}

export interface ReportInput {
  readonly source: string
  readonly certificates: readonly X509Certificate[]
  /** PEM; null: none is known. */
  readonly key: string | null
  readonly serves: readonly string[]
  /** Fewer days left are a problem. */
  readonly minDays: number
  readonly nowMs: number
}

/** All certificates of a PEM text, in order. Throws for one that cannot be read. */
export function parseChain(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  return blocks.map((block) => new X509Certificate(block))
}

export function reportOf(input: ReportInput): CertificateReport {
  const { source, certificates, key, serves, minDays, nowMs } = input
  const [leaf] = certificates
  if (leaf === undefined) return unreadable(source, 'there is no PEM certificate', serves)
  const keyMatches = key === null ? null : belongs(leaf, key)
  const problems = [
    ...certificates.flatMap((certificate, index) => timeProblems(certificate, index, input)),
    ...(keyMatches === false ? ['the private key does not belong to the certificate'] : []),
    ...chainProblems(certificates),
    ...serves.filter((host) => !covers(leaf, host)).map((host) => `it is not for ${host}`),
  ]
  const daysLeft = Math.floor((leaf.validToDate.getTime() - nowMs) / DAY_MS)
  if (daysLeft >= 0 && daysLeft < minDays) problems.push(`it expires in ${daysLeft} days`)
  return {
    source,
    chain: certificates.map(linkOf),
    subjectAltNames: alternativeNames(leaf.subjectAltName).map(({ value }) => value),
    daysLeft,
    keyMatches,
    serves,
    problems,
  }
}

export function unreadable(
  source: string,
  problem: string,
  serves: readonly string[] = [],
): CertificateReport {
  return {
    source,
    chain: [],
    subjectAltNames: [],
    daysLeft: null,
    keyMatches: null,
    serves,
    problems: [problem],
  }
}

function linkOf(certificate: X509Certificate): ChainLink {
  return {
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    serialNumber: certificate.serialNumber,
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    notBefore: certificate.validFromDate.toISOString(),
    notAfter: certificate.validToDate.toISOString(),
    publicKey: keyText(certificate),
  }
}

function oneLine(name: string | undefined): string {
  return (name ?? '').split('\n').join(', ')
}

function keyText({ publicKey }: X509Certificate): string {
  const { modulusLength, namedCurve } = publicKey.asymmetricKeyDetails ?? {}
  const detail = modulusLength ?? namedCurve
  const type = publicKey.asymmetricKeyType ?? 'unknown'
  return detail === undefined ? type : `${type} ${detail}`
}

function belongs(leaf: X509Certificate, key: string): boolean {
  try {
    return leaf.checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
}

function timeProblems(
  certificate: X509Certificate,
  index: number,
  { nowMs }: ReportInput,
): readonly string[] {
  const which = index === 0 ? 'it' : `number ${index + 1} of its chain`
  if (certificate.validToDate.getTime() <= nowMs) {
    return [`${which} expired at ${certificate.validToDate.toISOString()}`]
  }
  if (certificate.validFromDate.getTime() > nowMs) {
    return [`${which} is not valid before ${certificate.validFromDate.toISOString()}`]
  }
  return []
}

/** A bundle of authorities is no chain: each stands for itself. */
function chainProblems(certificates: readonly X509Certificate[]): readonly string[] {
  if (certificates[0]!.ca) return []
  const problems: string[] = []
  for (let index = 0; index + 1 < certificates.length; index++) {
    const issuer = certificates[index + 1]!
    if (certificates[index]!.checkIssued(issuer)) continue
    problems.push(`number ${index + 2} of its chain is not the issuer of number ${index + 1}`)
  }
  return problems
}

/** Servers for any host take whatever name a certificate has. */
function covers(leaf: X509Certificate, host: string): boolean {
  if (host === '*') return true
  const names = alternativeNames(leaf.subjectAltName).map(({ value }) => value.toLowerCase())
  if (names.includes(host.toLowerCase())) return true
  if (host.startsWith('*')) return false
  if (isIP(host) !== 0) return leaf.checkIP(host) !== undefined
  return leaf.checkHost(host, { subject: 'never' }) !== undefined
}
