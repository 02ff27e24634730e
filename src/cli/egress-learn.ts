import { stringify } from 'yaml'
import { isShortName } from '../config/names.ts'
import { decisions } from './egress-ledger-reader.ts'
import { SeenTraffic } from './egress-seen.ts'
import { type Layout, serviceEntries, sidecars, type Written } from './egress-service-entries.ts'
import { withWildcards } from './egress-wildcards.ts'
import { EXIT_FINDINGS, EXIT_OK } from './exit.ts'
import type { OutputFormat } from './output.ts'

/** Unusable hosts that are named one by one. */
const SHOWN = 20

/** `tidegate egress learn`: resources that allow what was seen and nobody declares. */
export async function learn(
  ledgers: readonly string[],
  layout: Layout & {
    /** Hosts below one domain that become `*.domain`; null: never. */
    readonly wildcards: number | null
  },
  output: OutputFormat,
): Promise<number> {
  const traffic = new SeenTraffic()
  const seen = { unreadable: 0 }
  for await (const decision of decisions(ledgers, seen)) traffic.add(decision)
  const written = resourcesFor(traffic, layout)
  if (output === 'json') console.log(JSON.stringify(written, null, 2))
  else if (output === 'yaml') process.stdout.write(yamlOf(written))
  return complaints(traffic, seen.unreadable) ? EXIT_FINDINGS : EXIT_OK
}

export function resourcesFor(
  traffic: SeenTraffic,
  layout: Layout & { readonly wildcards: number | null },
): readonly Written[] {
  const all = [...traffic.hosts.values()].filter(({ host }) => {
    // A Sidecar cannot name a host without a dot.
    if (!layout.perNamespace || !isShortName(host)) return true
    traffic.unusable.add(host)
    return false
  })
  const hosts = layout.wildcards === null ? all : withWildcards(all, layout.wildcards)
  const entries = serviceEntries(hosts, layout)
  return layout.perNamespace ? [...entries, ...sidecars(hosts, traffic, layout)] : entries
}

export function yamlOf(resources: readonly Written[]): string {
  if (resources.length === 0) return '# nothing was seen that is not declared already\n'
  return resources.map((resource) => stringify(resource)).join('---\n')
}

/** Says on stderr what is not in the output. */
function complaints(traffic: SeenTraffic, unreadable: number): boolean {
  const { unusable, overflow } = traffic
  if (unreadable > 0) {
    console.error(`tidegate: ${unreadable} lines are no ledger lines: see tidegate egress verify`)
  }
  if (overflow > 0) {
    console.error(`tidegate: ${overflow} decisions are about more hosts than are learned`)
  }
  if (unusable.size > 0) {
    const names = [...unusable].slice(0, SHOWN).map((host) => JSON.stringify(host))
    const more = unusable.size > SHOWN ? ' ...' : ''
    console.error(
      `tidegate: ${unusable.size} hosts cannot be named by a ServiceEntry or Sidecar: ${names.join(', ')}${more}`,
    )
  }
  return unreadable > 0 || overflow > 0 || unusable.size > 0
}
