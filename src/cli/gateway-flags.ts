import { type Command, Option } from 'commander'
import { DEFAULT_DOMAIN, DEFAULT_NAMESPACE } from '../process/run-options.ts'
import type { BindAddress } from '../listeners/bind-address.ts'
import { repeatable } from './flag-options.ts'
import { parseAddress, parseLabels } from './flag-values.ts'
import { type GatewayView, LiveView } from './gateway-view.ts'
import { usageError } from './exit.ts'

/** Where a gateway's admin API is when nothing else is said. */
const DEFAULT_ADMIN = '127.0.0.1:15000'

/** `--admin`, with TIDEGATE_ADMIN for its default. */
export function adminOption(): Option {
  const fallback = process.env['TIDEGATE_ADMIN'] ?? DEFAULT_ADMIN
  return new Option('--admin <[host:]port>', 'admin API of a running gateway').default(fallback)
}

export function parseAdmin(text: string): BindAddress {
  return parseAddress('--admin', text)
}

export interface ViewFlags {
  config: string[]
  admin: string
  labels: string[]
  domain: string
  meshConfig?: string
  compat?: boolean
}

/** Flags of verbs that look at a running gateway, or at files with `-c`. */
export function addViewFlags(command: Command): Command {
  const options = [
    adminOption(),
    repeatable('-c, --config <path>', 'files instead of a running gateway'),
    repeatable(
      '--labels <k=v,...>',
      'with -c: own labels that Gateway selectors are matched against',
    ),
    new Option('--domain <domain>', 'with -c: cluster domain').default(DEFAULT_DOMAIN),
    new Option('--mesh-config <path>', 'with -c: MeshConfig file'),
    new Option('--compat', "with -c: Istio's own behaviour where Tidegate differs on purpose"),
  ]
  for (const option of options) command.addOption(option)
  return command
}

/** The gateway or the files that the flags name; `namespace` is the one the gateway stands in. */
export async function viewOf(
  command: Command,
  flags: ViewFlags,
  namespace: string = DEFAULT_NAMESPACE,
): Promise<GatewayView> {
  const { config, labels, domain, meshConfig, compat } = flags
  if (config.length === 0) return new LiveView(parseAdmin(flags.admin))
  if (command.getOptionValueSource('admin') === 'cli') {
    throw usageError(
      'both files and a running gateway are named',
      '-c, --admin',
      'give -c for files, or --admin for what a gateway serves',
    )
  }
  // Nobody who asks a running gateway waits for the compiler.
  const { OfflineView } = await import('./offline-view.ts')
  return OfflineView.read(config, {
    labels: labels.map(parseLabels),
    namespace,
    domain,
    meshConfig: meshConfig ?? null,
    compat: compat ?? false,
  })
}
