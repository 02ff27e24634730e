/** What is asked for; null: everything. */
export interface Selection {
  /** Name of a listener, route table, cluster or certificate. */
  readonly name: string | null
  /** Service, or host of a route. */
  readonly fqdn: string | null
  readonly port: number | null
}

/** `outbound|8080|v1|web.shop.svc.cluster.local` taken apart; names of other shapes have no parts. */
export interface ClusterName {
  readonly direction: string
  readonly port: number | null
  readonly subset: string
  readonly fqdn: string
}

export function parseClusterName(name: string): ClusterName {
  const [direction = '', port = '', subset = '', fqdn] = name.split('|')
  if (fqdn === undefined) return { direction: '', port: null, subset: '', fqdn: name }
  return { direction, port: Number(port), subset, fqdn }
}

export function isWanted(wanted: string | null, actual: string): boolean {
  return wanted === null || wanted === actual
}
