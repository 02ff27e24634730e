import {
  ACME_CHALLENGE_ANNOTATION,
  ACME_ANNOTATION,
  acmeAnnotations,
  wantsOrderedCertificates,
} from '../../config/kinds/acme-annotations.ts'
import type { AcmeChallenge, AcmeSource } from '../../tls/plan.ts'
import type { Findings } from '../findings.ts'
import type { PlacedServer, ServerGroup } from './gateway-servers.ts'

/** Where ACME servers come to look (RFC 8555 8.3, RFC 8737 3). */
const HTTP_PORT = 80
const TLS_PORT = 443

/** Which hosts of a server get certificates by ACME, and how they are proved. */
export class AcmeSources {
  readonly #hasHttpPort: boolean
  readonly #hasTlsPort: boolean
  readonly #findings: Findings

  constructor(groups: readonly ServerGroup[], findings: Findings) {
    const has = (family: ServerGroup['family'], port: number): boolean =>
      groups.some(
        (group) => group.family === family && group.servers.some(({ number }) => number === port),
      )
    this.#hasHttpPort = has('http', HTTP_PORT)
    this.#hasTlsPort = has('tls', TLS_PORT)
    this.#findings = findings
  }

  /** null: certificates of the server come from elsewhere. */
  of(server: PlacedServer): readonly AcmeSource[] | null {
    const asked = acmeAnnotations(server.place.resource.metadata.annotations)
    if (asked === null || !wantsOrderedCertificates(server.spec)) return null
    const challenge = asked.challenge ?? (this.#hasHttpPort ? 'http-01' : 'tls-alpn-01')
    this.#checkPort(server, challenge, asked.challenge !== null)
    const suffix = asked.directory === null ? '' : `?directory=${asked.directory}`
    const hosts = new Set(server.hosts.map(({ host }) => host))
    return [...hosts]
      .filter((host) => !host.startsWith('*'))
      .map((host) => ({
        kind: 'acme',
        name: `acme://${host}${suffix}`,
        host,
        directory: asked.directory,
        email: asked.email,
        challenge,
      }))
  }

  #checkPort({ place }: PlacedServer, challenge: AcmeChallenge, written: boolean): void {
    const isServed = challenge === 'http-01' ? this.#hasHttpPort : this.#hasTlsPort
    if (isServed) return
    const port = challenge === 'http-01' ? HTTP_PORT : TLS_PORT
    const annotation = written ? ACME_CHALLENGE_ANNOTATION : ACME_ANNOTATION
    this.#findings.report(
      'warning',
      'acme-port-not-served',
      { resource: place.resource, path: ['metadata', 'annotations', annotation] },
      `challenges of type ${challenge} come to port ${port} of the host, and no served Gateway has a ${challenge === 'http-01' ? 'plain HTTP' : 'TLS'} server on it`,
      `have a server on port ${port}, or forward port ${port} to the one there is`,
    )
  }
}
