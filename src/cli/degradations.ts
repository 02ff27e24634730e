import type { CertificateDescription } from '../admin/admin-state.ts'
import type { ClusterDescription } from '../clusters/description.ts'
import type { GatewayReport } from './status.ts'

/** Something that works less well than configuration asks. */
export interface Degraded {
  /** `gateway`, `configuration`, or the name of a cluster or certificate. */
  readonly what: string
  readonly reason: string
}

/** What is wrong with a running gateway at this moment, the gravest first. */
export function degradations(report: GatewayReport, nowMs: number): readonly Degraded[] {
  return [
    ...ofGateway(report),
    ...ofConfiguration(report),
    ...report.clusters.flatMap(ofCluster),
    ...report.certificates.flatMap((certificate) => ofCertificate(certificate, nowMs)),
  ]
}

const STATES: Readonly<Record<string, string>> = {
  PRE_INITIALIZING: 'no configuration serves yet',
  DRAINING: 'draining: listeners take no new connections',
  HEALTHCHECK_FAILED: 'readiness was failed by hand: load balancers send nothing',
}

function ofGateway({ info }: GatewayReport): readonly Degraded[] {
  const reason = STATES[info.state]
  return reason === undefined ? [] : [{ what: 'gateway', reason }]
}

function ofConfiguration({ info, problems, counts }: GatewayReport): readonly Degraded[] {
  const found: Degraded[] = []
  const { lastLoad, generation } = info
  if (lastLoad !== null && !lastLoad.ok) {
    const reason = `the reload of ${lastLoad.at} failed: generation ${generation} still serves`
    found.push({ what: 'configuration', reason })
  }
  const unbound = problems.filter(({ code }) => code === 'listener-not-bound')
  for (const { message } of unbound) found.push({ what: 'listener', reason: message })
  const errors = counts.error - unbound.length
  if (errors > 0) {
    const reason = `${errors} ${errors === 1 ? 'error' : 'errors'}: see tidegate reload, or /problems`
    found.push({ what: 'configuration', reason })
  }
  return found
}

function ofCluster(cluster: ClusterDescription): readonly Degraded[] {
  const { name, retired, endpoints, panic, dnsFailures, tlsProblem } = cluster
  if (retired) return []
  const ejected = endpoints.filter(({ health }) => health === 'ejected').length
  const reasons = [
    ...dnsFailures.map((failure) => `DNS: ${failure}`),
    tlsProblem === '' ? null : `TLS: ${tlsProblem}`,
    ejected === 0 ? null : `${ejected} of ${endpoints.length} endpoints are ejected`,
    panic ? 'panic: ejected endpoints are used too' : null,
  ].filter((reason) => reason !== null)
  return reasons.map((reason) => ({ what: name, reason }))
}

const DAY_MS = 86_400_000
/** A certificate that ends sooner is told. */
const SOON_DAYS = 7

function ofCertificate(certificate: CertificateDescription, nowMs: number): readonly Degraded[] {
  const { name, problem, notBefore, notAfter } = certificate
  if (problem !== '') return [{ what: name, reason: `certificate: ${problem}` }]
  const left = Date.parse(notAfter) - nowMs
  if (left < 0) return [{ what: name, reason: `the certificate expired at ${notAfter}` }]
  if (Date.parse(notBefore) > nowMs) {
    return [{ what: name, reason: `the certificate is not valid before ${notBefore}` }]
  }
  if (left >= SOON_DAYS * DAY_MS) return []
  return [{ what: name, reason: `the certificate expires at ${notAfter}` }]
}
