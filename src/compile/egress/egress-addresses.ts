import { Cidr } from '../../base/cidr.ts'
import type { EgressAddress } from '../../snapshot/egress-plan.ts'
import type { ClusterBook } from '../clusters.ts'
import type { ServiceRegistry } from '../registry/service-registry.ts'
import type { EgressHttp } from './egress-http.ts'
import { allowedNames } from './server-names.ts'

/** Cluster IPs and ServiceEntry addresses on every port; narrower blocks first. */
export function egressAddresses(
  registry: ServiceRegistry,
  clusters: ClusterBook,
  http: EgressHttp,
): readonly EgressAddress[] {
  const addresses: EgressAddress[] = []
  for (const service of registry.all()) {
    for (const written of service.addresses) {
      const cidr = Cidr.parse(written)
      if (cidr === null) continue
      const allowed = allowedNames(service)
      for (const port of service.ports.values()) {
        const virtualHost = http.virtualHost(service.host, port.number)
        const serverNames = port.protocol === 'tcp' ? null : allowed
        if (service.discovery === 'passthrough') {
          addresses.push({ cidr, port: port.number, cluster: null, virtualHost, serverNames })
          continue
        }
        const lookup = clusters.lookup(service, port, '')
        if (lookup.type !== 'found') continue
        addresses.push({
          cidr,
          port: port.number,
          cluster: lookup.cluster,
          virtualHost,
          serverNames,
        })
      }
    }
  }
  return addresses.toSorted((a, b) => b.cidr.prefix - a.cidr.prefix)
}
