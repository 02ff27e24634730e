import { statSync } from 'node:fs'
import type { CertificateDescription } from '../admin/admin-state.ts'
import type { BindAddress } from '../listeners/bind-address.ts'
import type { LoadedConfiguration } from '../process/configuration.ts'
import { adminGet } from './admin-call.ts'
import { readPem } from './certs-files.ts'
import { liveChain } from './certs-live.ts'
import { type CertificateReport, parseChain, reportOf, unreadable } from './certs-report.ts'
import { CommandError, EXIT_FINDINGS, EXIT_NOT_READY, EXIT_OK, usageError } from './exit.ts'
import { type OutputFormat, printOutput } from './output.ts'
import { textTable } from './text-table.ts'

/** Where certificates are looked for. */
export interface ShowSources {
  /** PEM files and live addresses. */
  readonly targets: readonly string[]
  /** Key of the one file in `targets`, or null. */
  readonly key: string | null
  /** For live addresses, or null. */
  readonly sni: string | null
  /** `-c` folders, loaded; null: none were given. */
  readonly loaded: LoadedConfiguration | null
  readonly admin: BindAddress | null
}

export interface ShowOptions {
  readonly minDays: number
  readonly output: OutputFormat
}

/** `tidegate certs show`. Returns the exit status: 1 when a certificate has a problem, or none is there. */
export async function showCertificates(
  sources: ShowSources,
  options: ShowOptions,
): Promise<number> {
  const { minDays } = options
  const reports: CertificateReport[] = []
  for (const target of sources.targets) reports.push(await targetReport(target, sources, minDays))
  if (sources.loaded !== null) reports.push(...secretReports(sources.loaded, minDays))
  if (sources.admin !== null) reports.push(...(await adminReports(sources.admin, minDays)))
  printOutput(options.output, { certificates: reports }, () => printReports(reports))
  const sound = reports.length > 0 && reports.every(({ problems }) => problems.length === 0)
  return sound ? EXIT_OK : EXIT_FINDINGS
}

async function targetReport(
  target: string,
  { key, sni }: ShowSources,
  minDays: number,
): Promise<CertificateReport> {
  const nowMs = Date.now()
  const isFile = statSync(target, { throwIfNoEntry: false }) !== undefined
  const live = isFile ? null : /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(target)
  if (live !== null) {
    const host = live[1] ?? live[2]!
    const certificates = await liveChain({ host, port: Number(live[3]), sni })
    const serves = sni === null ? [] : [sni]
    return reportOf({ source: target, certificates, key: null, serves, minDays, nowMs })
  }
  const pem = readPem(target, 'certs show')
  // A file may hold both.
  const own = /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem) ? pem : null
  return pemReport(target, pem, key === null ? own : readPem(key, '--key'), [], minDays)
}

function pemReport(
  source: string,
  pem: string,
  key: string | null,
  serves: readonly string[],
  minDays: number,
): CertificateReport {
  const certificates = readChain(pem)
  if (certificates === null) return unreadable(source, 'the certificate cannot be read', serves)
  return reportOf({ source, certificates, key, serves, minDays, nowMs: Date.now() })
}

function readChain(pem: string): ReturnType<typeof parseChain> | null {
  try {
    return parseChain(pem)
  } catch {
    return null
  }
}

/** Names of the keys of a Secret that hold a certificate and its key, as Gateways read them. */
const PAIRS = [
  ['cert', 'key'],
  ['tls.crt', 'tls.key'],
] as const

function secretReports(
  { set, snapshot }: LoadedConfiguration,
  minDays: number,
): readonly CertificateReport[] {
  const hosts = new Map<string, string[]>()
  for (const { accept } of snapshot.listeners) {
    if (accept.type !== 'tls') continue
    for (const chain of accept.chains.all) {
      for (const { name } of chain.tls.certificates) {
        hosts.set(name, [...(hosts.get(name) ?? []), ...chain.hosts])
      }
    }
  }
  const reports: CertificateReport[] = []
  for (const { metadata, spec } of set.secrets) {
    const source = `kubernetes://${metadata.namespace}/${metadata.name}`
    const text = (key: string): string | null => {
      const value = spec.data?.[key]
      return value === undefined ? null : Buffer.from(value, 'base64').toString('utf8')
    }
    const pair = PAIRS.find(([certificate]) => text(certificate) !== null)
    if (pair === undefined) continue
    const serves = [...new Set(hosts.get(source))]
    reports.push(pemReport(source, text(pair[0])!, text(pair[1]), serves, minDays))
  }
  return reports
}

async function adminReports(
  admin: BindAddress,
  minDays: number,
): Promise<readonly CertificateReport[]> {
  const { status, body } = await adminGet(admin, '/certs')
  if (status !== 200) {
    throw new CommandError(
      `the admin API answered ${status}`,
      '/certs',
      'is this a tidegate of the same version?',
      EXIT_NOT_READY,
    )
  }
  const { certificates } = JSON.parse(body) as { certificates: readonly CertificateDescription[] }
  return certificates.map((certificate) => servedReport(certificate, minDays))
}

const DAY_MS = 24 * 60 * 60 * 1000

/** The admin API tells of leaves and never of keys. */
function servedReport(certificate: CertificateDescription, minDays: number): CertificateReport {
  const { name, usedBy, problem } = certificate
  if (problem !== '') return unreadable(name, problem, usedBy)
  const daysLeft = Math.floor((Date.parse(certificate.notAfter) - Date.now()) / DAY_MS)
  const problems: string[] = []
  if (daysLeft < 0) problems.push(`it expired at ${certificate.notAfter}`)
  else if (daysLeft < minDays) problems.push(`it expires in ${daysLeft} days`)
  const { subject, issuer, serialNumber, fingerprint, notBefore, notAfter } = certificate
  return {
    source: name,
    chain: [
      { subject, issuer, serialNumber, fingerprint, notBefore, notAfter, publicKey: 'unknown' },
    ],
    subjectAltNames: certificate.subjectAltNames.map((text) => text.replace(/^[A-Za-z ]+:/, '')),
    daysLeft,
    keyMatches: null,
    serves: usedBy,
    problems,
  }
}

function printReports(reports: readonly CertificateReport[]): void {
  if (reports.length === 0) {
    console.log('no certificates')
    return
  }
  const rows = reports.map(({ source, chain, subjectAltNames, daysLeft, keyMatches, serves }) => [
    source,
    subjectAltNames.join(',') || '-',
    String(chain.length),
    chain[0]?.notAfter.slice(0, 10) ?? '-',
    daysLeft === null ? '-' : String(daysLeft),
    keyMatches === null ? '-' : keyMatches ? 'yes' : 'NO',
    serves.join(',') || '-',
  ])
  const titles = ['SOURCE', 'NAMES', 'CHAIN', 'EXPIRES', 'DAYS', 'KEY MATCHES', 'SERVES']
  process.stdout.write(textTable(titles, rows))
  for (const { source, problems } of reports) {
    for (const problem of problems) console.log(`${source}: ${problem}`)
  }
}

/** Exactly one kind of source has to be given. */
export function requireSource(given: readonly boolean[]): void {
  if (given.filter(Boolean).length === 1) return
  throw usageError(
    'say where to look, in one way',
    'certs show',
    'give PEM files or HOST:PORT, or -c PATH, or --admin ADDRESS',
  )
}
