import { describeProblem, type Problem } from '../config/problems.ts'
import { type DnsHost, type DnsReport, dnsReport } from '../explain/dns-records.ts'
import { dnsText } from '../explain/dns-text.ts'
import { withoutControls } from '../explain/text.ts'
import type { BindAddress } from '../listeners/bind-address.ts'
import { adminJson } from './admin-call.ts'
import { EXIT_FINDINGS, EXIT_NOT_READY, EXIT_OK } from './exit.ts'
import { loadOffline, type OfflineOptions } from './offline-configuration.ts'
import { type OutputFormat, printOutput } from './output.ts'
import { problemLine } from './problem-lines.ts'
import { textTable } from './text-table.ts'

export interface DnsOptions {
  /** Files; empty: the running gateway at `admin`. */
  readonly config: readonly string[]
  readonly admin: BindAddress
  readonly offline: OfflineOptions
  readonly advertise: readonly string[]
  readonly output: OutputFormat
}

/** Kinds whose errors leave hosts or addresses out of the report. */
const KINDS: ReadonlySet<string> = new Set(['Gateway', 'Service', 'Node', 'Pod'])

/** `tidegate dns`. Returns the exit status: 3 while an address is missing, 1 for broken resources. */
export async function dns(options: DnsOptions): Promise<number> {
  const { report, errors } = await read(options)
  printOutput(options.output, report, () => {
    if (report.hosts.length === 0) console.log('no Gateway has a host that needs a record')
    else process.stdout.write(hostTable(report.hosts) + textOf(report))
  })
  for (const problem of errors) console.error(problemLine(describeProblem(problem)))
  if (errors.length > 0) return EXIT_FINDINGS
  return report.complete ? EXIT_OK : EXIT_NOT_READY
}

async function read(
  options: DnsOptions,
): Promise<{ report: DnsReport; errors: readonly Problem[] }> {
  const { config, advertise } = options
  if (config.length === 0) {
    const query = advertise.map((value) => `advertise=${encodeURIComponent(value)}`).join('&')
    const report = await adminJson<DnsReport>(
      options.admin,
      query === '' ? '/dns' : `/dns?${query}`,
    )
    return { report, errors: [] }
  }
  const loaded = await loadOffline(config, '-c, --config', options.offline)
  const errors = loaded.problems.filter(
    ({ severity, ref }) => severity === 'error' && (ref === null || KINDS.has(ref.kind)),
  )
  return { report: dnsReport({ ...loaded, advertise }), errors }
}

function hostTable(hosts: readonly DnsHost[]): string {
  const rows = hosts.flatMap((one) => {
    const { host, gateway, records, from, state } = one
    if (records.length === 0)
      return [[host, '-', from === null ? `(${state})` : '-', from ?? '-', gateway]]
    return records.map(({ type, value }) => [host, type, value, from ?? '-', gateway])
  })
  return textTable(['HOST', 'TYPE', 'VALUE', 'FROM', 'GATEWAY'], rows)
}

/** Lines are ours, what stands in them is the configuration's. */
function textOf(report: DnsReport): string {
  return dnsText(report)
    .split('\n')
    .map((line) => withoutControls(line))
    .join('\n')
}
