import type { BindAddress } from '../listeners/bind-address.ts'
import { remedy } from '../telemetry/egress-line.ts'
import { isRefused, TopRefusals } from '../telemetry/egress-top.ts'
import type { EgressActivity, RefusedPair } from '../telemetry/egress-watch.ts'
import { adminJson } from './admin-call.ts'
import { decisions } from './egress-ledger-reader.ts'
import { EXIT_OK } from './exit.ts'
import { type OutputFormat, printOutput } from './output.ts'
import { textTable } from './text-table.ts'

/** Host and client pairs that are told apart at the same time; rarer ones are pushed out. */
const MAX_PAIRS = 50_000

/** `tidegate egress blocked`: who was refused what, from ledgers or from a running gateway. */
export async function blocked(
  source: { readonly ledgers: readonly string[]; readonly admin: BindAddress },
  top: number,
  output: OutputFormat,
): Promise<number> {
  const all =
    source.ledgers.length === 0
      ? (await adminJson<EgressActivity>(source.admin, '/egress')).refused
      : await refusedIn(source.ledgers)
  const refused = all.slice(0, top)
  printOutput(output, { refused }, () => {
    const rows = refused.map((pair) => [
      String(pair.count),
      pair.verdict,
      `${pair.host}:${pair.port}`,
      pair.client,
      pair.firstSeen,
      pair.lastSeen,
      pair.remedy,
    ])
    const titles = ['COUNT', 'VERDICT', 'HOST', 'CLIENT', 'FIRST', 'LAST', 'ALLOWED BY']
    process.stdout.write(rows.length === 0 ? 'nothing was blocked\n' : textTable(titles, rows))
  })
  return EXIT_OK
}

/** The same from the lines of ledgers. */
export async function refusedIn(paths: readonly string[]): Promise<readonly RefusedPair[]> {
  const counts = new TopRefusals(MAX_PAIRS)
  const seen = { unreadable: 0 }
  for await (const decision of decisions(paths, seen)) if (isRefused(decision)) counts.add(decision)
  if (seen.unreadable > 0) {
    console.error(
      `tidegate: ${seen.unreadable} lines are no ledger lines: see tidegate egress verify`,
    )
  }
  return counts.top().map(({ last, ...pair }) => ({ ...pair, remedy: remedy(last) }))
}
