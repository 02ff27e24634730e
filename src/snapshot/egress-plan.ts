import type { Cidr } from '../base/cidr.ts'
import type { ClusterPlan } from '../clusters/plan.ts'
import type { HostTable } from '../routing/host-table.ts'
import type { VirtualHost } from '../routing/virtual-host.ts'
import type { EgressControl } from './egress-control.ts'
import type { TcpDestination } from './listener-plan.ts'

/**
 * The declared hosts and where they lead, as some clients see them. Ports are the ones clients ask
 * for (service ports).
 */
export interface EgressTables {
  /**
   * HTTP by port: services, ServiceEntries and mesh-bound VirtualServices. A host that is not in the
   * table of the asked port is unknown, also when another port knows it.
   */
  readonly http: ReadonlyMap<number, HostTable<VirtualHost>>
  /** CONNECT by port and host name: the cluster whose endpoints get the tunnel. */
  readonly tunnels: ReadonlyMap<number, HostTable<ClusterPlan>>
  /**
   * CONNECT to hosts that one cluster cannot say: asked before `tunnels`. A port is present only
   * when it has such a host, and then its table also holds the exact names of `tunnels` that one of
   * its wildcards would cover.
   */
  readonly tunnelRules: ReadonlyMap<number, HostTable<TunnelRule>>
  /**
   * CONNECT or absolute-form to a service's cluster IP or an address inside a ServiceEntry's
   * `addresses`. Narrower blocks come first.
   */
  readonly addresses: readonly EgressAddress[]
  /**
   * Tunnels by port and host: the TLS server names that the declaration of the host has. A host that
   * is not in it may be asked for under any name.
   */
  readonly serverNames: ReadonlyMap<number, HostTable<HostTable<string>>>
}

/** What the egress proxy knows; its own tables are for clients of which no namespace is known. */
export interface EgressPlan extends EgressTables {
  readonly policy: 'ALLOW_ANY' | 'REGISTRY_ONLY'
  /** MeshConfig.outboundTrafficPolicy.egressProxy: traffic to unknown hosts goes through it; else null. */
  readonly parent: ParentProxy | null
  /** Taken when no known host matched. */
  readonly unknownHost: VirtualHost
  /** Who the clients are and what each may see; null: nobody asks. */
  readonly control: EgressControl | null
}

/** Another proxy, which is asked to reach unknown hosts: absolute-form HTTP and CONNECT. */
export interface ParentProxy {
  readonly clusterName: string
  /** null: there is no such host, subset or port, and unknown hosts get 503 NC. */
  readonly cluster: ClusterPlan | null
}

/** A weighted split of CONNECT tunnels, or a host that goes where the client says. */
export interface TunnelRule {
  /** For logs and metrics: `outbound|443||*.example.com`. */
  readonly name: string
  /** Empty: to the asked host and port, whatever the policy (ServiceEntry resolution NONE). */
  readonly destinations: readonly TcpDestination[]
  readonly cumulativeWeights: readonly number[]
}

export interface EgressAddress {
  readonly cidr: Cidr
  readonly port: number
  /** null: to the asked address itself, whatever the policy (ServiceEntry resolution NONE). */
  readonly cluster: ClusterPlan | null
  /** null for opaque ports. */
  readonly virtualHost: VirtualHost | null
  /** TLS server names that the declaration has; null: any. */
  readonly serverNames: HostTable<string> | null
}

/** All tables of a plan, each once: its own and those of clients who see another mesh. */
export function egressTablesOf(plan: EgressPlan): readonly EgressTables[] {
  return [plan, ...otherTablesOf(plan).keys()]
}

/** The tables of clients who see another mesh than the plan's own, with their namespaces; '': any other. */
export function otherTablesOf(plan: EgressPlan): ReadonlyMap<EgressTables, readonly string[]> {
  const found = new Map<EgressTables, string[]>()
  for (const [namespace, tables] of plan.control?.tables ?? []) {
    if (tables.http === plan.http) continue
    const namespaces = found.get(tables)
    if (namespaces === undefined) found.set(tables, [namespace])
    else namespaces.push(namespace)
  }
  return found
}
