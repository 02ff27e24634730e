import type { GatewayView } from './gateway-view.ts'
import { EXIT_OK, usageError } from './exit.ts'
import { type OutputFormat, printOutput } from './output.ts'
import { CLUSTER_TITLES, clusterEntries, clusterRows } from './proxy-config/clusters.ts'
import { ENDPOINT_TITLES, endpointEntries, endpointRows } from './proxy-config/endpoints.ts'
import { LISTENER_TITLES, listenerEntries, listenerRows } from './proxy-config/listeners.ts'
import { ROUTE_TITLES, routeEntries, routeRows } from './proxy-config/routes.ts'
import { SECRET_TITLES, secretEntries, secretRows } from './proxy-config/secrets.ts'
import type { Selection } from './proxy-config/selection.ts'
import { textTable } from './text-table.ts'

export const CONFIG_PARTS = ['listeners', 'routes', 'clusters', 'endpoints', 'secrets'] as const
export type ConfigPart = (typeof CONFIG_PARTS)[number]

/** Flags that a part knows; istioctl's, where it has them. */
const KNOWN_FLAGS: Readonly<Record<ConfigPart, readonly (keyof Selection)[]>> = {
  listeners: ['name', 'port'],
  routes: ['name', 'fqdn', 'port'],
  clusters: ['name', 'fqdn', 'port'],
  endpoints: ['name', 'fqdn', 'port'],
  secrets: ['name'],
}

export interface ShownPart {
  readonly entries: readonly unknown[]
  readonly table: string
}

const PARTS: Readonly<
  Record<ConfigPart, (view: GatewayView, selection: Selection) => Promise<ShownPart>>
> = {
  listeners: async (view, selection) => {
    const bound = view.live ? await view.listeners() : null
    const entries = listenerEntries(await view.configDump(), bound, selection)
    return { entries, table: textTable(LISTENER_TITLES, listenerRows(entries)) }
  },
  routes: async (view, selection) => {
    const entries = routeEntries(await view.configDump(), selection)
    return { entries, table: textTable(ROUTE_TITLES, routeRows(entries)) }
  },
  clusters: async (view, selection) => {
    const entries = clusterEntries(await view.configDump(), selection)
    return { entries, table: textTable(CLUSTER_TITLES, clusterRows(entries)) }
  },
  endpoints: async (view, selection) => {
    const running = view.live ? await view.clusters() : null
    const entries = endpointEntries(await view.configDump(), running, selection)
    return { entries, table: textTable(ENDPOINT_TITLES, endpointRows(entries)) }
  },
  secrets: async (view, selection) => {
    const entries = secretEntries(await view.certificates(), selection, Date.now())
    return { entries, table: textTable(SECRET_TITLES, secretRows(entries)) }
  },
}

/** `tidegate proxy-config`: what is compiled, in istioctl's columns. Returns the exit status. */
export async function proxyConfig(
  part: ConfigPart | 'all',
  view: GatewayView,
  options: { readonly selection: Selection; readonly output: OutputFormat },
): Promise<number> {
  const { selection, output } = options
  if (part !== 'all') {
    const { entries, table } = await showPart(part, view, selection)
    printOutput(output, { [part]: entries }, () => process.stdout.write(table))
    return EXIT_OK
  }
  const shown = new Map<ConfigPart, ShownPart>()
  for (const one of CONFIG_PARTS) {
    if (hasStrayFlags(one, selection)) continue
    shown.set(one, await PARTS[one](view, selection))
  }
  const data = Object.fromEntries([...shown].map(([name, { entries }]) => [name, entries]))
  printOutput(output, data, () => {
    process.stdout.write([...shown.values()].map(({ table }) => table).join('\n'))
  })
  return EXIT_OK
}

/** One part as data and as text. Throws a usage error for a flag that the part does not have. */
export async function showPart(
  part: ConfigPart,
  view: GatewayView,
  selection: Selection,
): Promise<ShownPart> {
  refuseStrayFlags(part, selection)
  return PARTS[part](view, selection)
}

function hasStrayFlags(part: ConfigPart, selection: Selection): boolean {
  return strayFlags(part, selection).length > 0
}

function strayFlags(part: ConfigPart, selection: Selection): readonly string[] {
  const given = (['name', 'fqdn', 'port'] as const).filter((flag) => selection[flag] !== null)
  return given.filter((flag) => !KNOWN_FLAGS[part].includes(flag))
}

function refuseStrayFlags(part: ConfigPart, selection: Selection): void {
  const [stray] = strayFlags(part, selection)
  if (stray === undefined) return
  const known = KNOWN_FLAGS[part].map((flag) => `--${flag}`).join(', ')
  throw usageError(`${part} cannot be chosen by --${stray}`, `--${stray}`, `choose by ${known}`)
}
