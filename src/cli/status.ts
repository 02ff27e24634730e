import type {
  BoundListener,
  CertificateDescription,
  LifecycleState,
  LoadOutcome,
} from '../admin/admin-state.ts'
import type { ClusterDescription } from '../clusters/description.ts'
import type { ProblemDescription, Severity } from '../config/problems.ts'
import type { BindAddress } from '../listeners/bind-address.ts'
import { adminJson } from './admin-call.ts'
import { type Degraded, degradations } from './degradations.ts'
import { EXIT_FINDINGS, EXIT_NOT_READY, EXIT_OK } from './exit.ts'
import { ageText } from './get.ts'
import { type OutputFormat, printOutput } from './output.ts'
import { textTable } from './text-table.ts'

/** What a gateway answered, as `status` looks at it. */
export interface GatewayReport {
  readonly info: {
    readonly version: string
    readonly startedAt: string
    readonly uptimeSeconds: number
    readonly state: LifecycleState
    readonly generation: number
    readonly lastLoad: LoadOutcome | null
  }
  readonly listeners: readonly BoundListener[]
  readonly clusters: readonly ClusterDescription[]
  readonly certificates: readonly CertificateDescription[]
  readonly problems: readonly ProblemDescription[]
  readonly counts: Readonly<Record<Severity, number>>
}

/** `tidegate status`: how a running gateway is. Returns the exit status. */
export async function status(admin: BindAddress, output: OutputFormat): Promise<number> {
  const report = await readReport(admin)
  const { info, listeners, counts } = report
  const { state, version, generation, startedAt, uptimeSeconds, lastLoad } = info
  const degraded = degradations(report, Date.now())
  const shown = {
    state,
    version,
    generation,
    startedAt,
    uptimeSeconds,
    lastLoad,
    listeners,
    problems: counts,
    degraded,
  }
  printOutput(output, shown, () => process.stdout.write(statusText(report, degraded)))
  if (state === 'PRE_INITIALIZING') return EXIT_NOT_READY
  return degraded.length === 0 ? EXIT_OK : EXIT_FINDINGS
}

async function readReport(admin: BindAddress): Promise<GatewayReport> {
  const info = await adminJson<GatewayReport['info']>(admin, '/server_info')
  const [bound, runtime, certs, found] = await Promise.all([
    adminJson<Pick<GatewayReport, 'listeners'>>(admin, '/listeners?format=json'),
    adminJson<Pick<GatewayReport, 'clusters'>>(admin, '/clusters?format=json'),
    adminJson<Pick<GatewayReport, 'certificates'>>(admin, '/certs'),
    adminJson<Pick<GatewayReport, 'counts' | 'problems'>>(admin, '/problems'),
  ])
  return { info, ...bound, ...runtime, ...certs, ...found }
}

const SECOND_MS = 1000
/** Lines of a table; JSON has all. */
const MAX_DEGRADED = 50

function statusText(
  { info, listeners, counts }: GatewayReport,
  degraded: readonly Degraded[],
): string {
  const { state, version, generation, startedAt, uptimeSeconds, lastLoad } = info
  const load =
    lastLoad === null ? 'none yet' : `${lastLoad.ok ? 'applied' : 'FAILED'} at ${lastLoad.at}`
  const facts = [
    ['state', state],
    ['generation', generation === 0 ? 'none yet' : String(generation)],
    ['last reload', load],
    ['problems', `${counts.error} errors, ${counts.warning} warnings, ${counts.info} notes`],
    ['up', `${ageText(uptimeSeconds * SECOND_MS)}, since ${startedAt}`],
    ['version', version],
  ]
  const sockets = listeners.flatMap(({ name, type, addresses, gatewayPorts }) =>
    addresses.map((address) => [name, type, address, gatewayPorts.join(', ')]),
  )
  const lines = [
    ...facts.map(([name = '', value = '']) => `${name.padEnd(14)}${value}\n`),
    '\n',
    sockets.length === 0
      ? 'no listener is bound\n'
      : textTable(['LISTENER', 'TYPE', 'ADDRESS', 'GATEWAY PORT'], sockets),
  ]
  if (degraded.length === 0) return lines.join('')
  const rows = degraded.slice(0, MAX_DEGRADED).map(({ what, reason }) => [what, reason])
  const left = degraded.length - rows.length
  const rest = left > 0 ? `and ${left} more\n` : ''
  return [...lines, '\n', textTable(['DEGRADED', 'REASON'], rows), rest].join('')
}
