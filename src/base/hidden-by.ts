const EXPORT_TO = 'exportTo of '

interface Named {
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/**
 * What hides a declared host from a client of the egress proxy is told in one word, in the ledger
 * too: `namespace/name` of a Sidecar, or this where exportTo leaves out the client's namespace.
 */
export function exportToOf({ kind, namespace, name }: Named): string {
  return `${EXPORT_TO}${kind} ${namespace}/${name}`
}

/** For people: why the client does not see the host. */
export function whyHidden(hiddenBy: string): string {
  return hiddenBy.startsWith(EXPORT_TO)
    ? `${hiddenBy} leaves out the namespace of this client`
    : `Sidecar ${hiddenBy} of this client does not list the host under spec.egress`
}

/** For people: what would show `host` to the client. */
export function howToShow(hiddenBy: string, host: string): string {
  return hiddenBy.startsWith(EXPORT_TO)
    ? `the namespace of the client in ${hiddenBy}`
    : `"*/${host}" under spec.egress[].hosts of Sidecar ${hiddenBy}`
}
