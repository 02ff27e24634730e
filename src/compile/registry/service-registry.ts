import type { ResourceSet } from '../../config/resource-set.ts'
import type { Resource } from '../../config/resource.ts'
import type { CompileSettings } from '../compile-input.ts'
import { EXPORT_TO_ANNOTATION } from '../default-exports.ts'
import { describe, type Findings } from '../findings.ts'
import { compareText } from '../ordering.ts'
import { audienceOf, visibilityFrom } from '../visibility.ts'
import { EndpointList } from './endpoint-list.ts'
import { KubernetesEndpoints } from './kubernetes-endpoints.ts'
import { kubernetesService } from './kubernetes-services.ts'
import type { MeshService, MeshServicePort } from './mesh-service.ts'
import { serviceEntryServices } from './service-entries.ts'
import { Workloads } from './workloads.ts'

/** Every host a route may name, as seen from the process' namespace. */
export class ServiceRegistry {
  readonly #services = new Map<string, MeshService>()
  #sorted: readonly MeshService[] = []
  readonly #hidden = new Map<string, Resource<unknown>>()
  readonly #settings: CompileSettings
  readonly #findings: Findings

  constructor(set: ResourceSet, settings: CompileSettings, findings: Findings) {
    this.#settings = settings
    this.#findings = findings
    const workloads = new Workloads(set)
    const endpoints = new KubernetesEndpoints(set, workloads)
    for (const service of set.services) {
      const exportTo = service.metadata.annotations[EXPORT_TO_ANNOTATION]
      const names = exportTo?.split(',').map((name) => name.trim())
      const entry = kubernetesService(service, settings.domain, endpoints)
      if (!this.#isVisible(names, entry, service)) continue
      const audience = audienceOf(names, entry.namespace)
      this.#services.set(entry.host, audience === null ? entry : { ...entry, audience })
    }
    for (const entry of set.serviceEntries) {
      for (const service of serviceEntryServices(entry, workloads)) {
        const { exportTo } = entry.spec
        if (!this.#isVisible(exportTo, service, entry)) continue
        const audience = audienceOf(exportTo, service.namespace)
        this.#addEntry(audience === null ? service : { ...service, audience }, entry)
      }
    }
    const services = [...this.#services.values()]
    this.#sorted = services.toSorted((a, b) => compareText(a.host, b.host))
  }

  /** The service of exactly this host (a wildcard ServiceEntry is found by its wildcard). */
  find(host: string): MeshService | null {
    return this.#services.get(host.toLowerCase()) ?? null
  }

  /** The resource that has this host but does not export it to us, or null. */
  hiddenBy(host: string): Resource<unknown> | null {
    return this.#hidden.get(host.toLowerCase()) ?? null
  }

  /** Ordered by host. */
  all(): readonly MeshService[] {
    return this.#sorted
  }

  #isVisible(
    exportTo: readonly string[] | undefined,
    service: MeshService,
    resource: Resource<unknown>,
  ): boolean {
    const visibility = visibilityFrom(exportTo, service.namespace, this.#settings.namespace)
    if (visibility !== 'hidden') return true
    if (!this.#hidden.has(service.host)) this.#hidden.set(service.host, resource)
    return false
  }

  #addEntry(service: MeshService, entry: Resource<unknown>): void {
    const present = this.#services.get(service.host)
    if (present === undefined) {
      this.#services.set(service.host, service)
      return
    }
    if (present.source?.kind === 'Service') {
      this.#meetService(present, present.source, service, entry)
      return
    }
    if (present.namespace === service.namespace) {
      this.#services.set(service.host, united(present, service))
      return
    }
    // Another namespace's entry for the host: our own namespace wins, else the older one stays.
    const replaces =
      service.namespace === this.#settings.namespace &&
      present.namespace !== this.#settings.namespace
    const [winner, loser] = replaces ? [service, present] : [present, service]
    if (winner.source !== null && loser.source !== null) {
      this.#findings.report(
        'warning',
        'service-entry-shadowed',
        { resource: loser.source, path: ['spec', 'hosts'] },
        `host ${service.host} is taken by ServiceEntry ${describe(winner.source)}`,
        'two namespaces declare the same host: keep one of them, or limit one with exportTo',
      )
    }
    this.#services.set(service.host, winner)
  }

  /** A ServiceEntry for the host of a Service replaces it, as its author meant; Istio keeps the Service. */
  #meetService(
    present: MeshService,
    source: Resource<unknown>,
    service: MeshService,
    entry: Resource<unknown>,
  ): void {
    const overrides = !this.#settings.compat
    const message = overrides
      ? `host ${service.host} of Service ${describe(source)} is overridden by this ServiceEntry`
      : `host ${service.host} belongs to Service ${describe(source)}: this ServiceEntry has no effect on it`
    this.#findings.report(
      'warning',
      overrides ? 'service-entry-overrides-service' : 'service-entry-shadowed',
      { resource: entry, path: ['spec', 'hosts'] },
      message,
      'give the external endpoints a name of their own unless this is what you want',
    )
    if (!overrides) return
    this.#services.set(service.host, {
      ...service,
      name: present.name,
      addresses: [...service.addresses, ...present.addresses],
    })
  }
}

/** Two ServiceEntries of one namespace for one host: ports and endpoints are united. */
function united(first: MeshService, second: MeshService): MeshService {
  const ports = new Map<number, MeshServicePort>(first.ports)
  for (const [number, port] of second.ports) {
    const present = ports.get(number)
    if (present === undefined) {
      ports.set(number, port)
      continue
    }
    const list = new EndpointList()
    list.addAll(present.endpoints)
    list.addAll(port.endpoints)
    ports.set(number, { ...present, endpoints: list.list() })
  }
  return {
    ...first,
    ports,
    addresses: [...new Set([...first.addresses, ...second.addresses])],
    subjectAltNames: [...new Set([...first.subjectAltNames, ...second.subjectAltNames])],
    serverNames: unitedNames(first, second),
    audience: unitedAudience(first, second),
  }
}

/** What one of them is exported to, everybody for null. */
function unitedAudience(first: MeshService, second: MeshService): ReadonlySet<string> | null {
  const [one, other] = [first.audience ?? null, second.audience ?? null]
  return one === null || other === null ? null : new Set([...one, ...other])
}

/** null on either side means any. */
function unitedNames(first: MeshService, second: MeshService): readonly string[] | null {
  const [one, other] = [first.serverNames ?? null, second.serverNames ?? null]
  return one === null || other === null ? null : [...new Set([...one, ...other])]
}
