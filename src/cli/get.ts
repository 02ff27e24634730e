import { closest } from '../base/closest.ts'
import { RESOURCE_KINDS, type ResourceDescription } from '../admin/describe-resources.ts'
import type { GatewayView } from './gateway-view.ts'
import { EXIT_OK, usageError } from './exit.ts'
import { type OutputFormat, printOutput } from './output.ts'
import { shortList, textTable } from './text-table.ts'

/** kubectl's short names. */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  gw: 'Gateway',
  vs: 'VirtualService',
  dr: 'DestinationRule',
  se: 'ServiceEntry',
  we: 'WorkloadEntry',
  svc: 'Service',
  ep: 'Endpoints',
  po: 'Pod',
}

export interface GetOptions {
  /** null: every namespace. */
  readonly namespace: string | null
  readonly name: string | null
  readonly output: OutputFormat
}

/** `vs`, `virtualservice`, `VirtualServices`: the kind that is meant. */
export function parseKind(written: string): string {
  const lower = written.toLowerCase()
  const short = Object.hasOwn(SHORT_NAMES, lower) ? SHORT_NAMES[lower] : undefined
  if (short !== undefined) return short
  const found = RESOURCE_KINDS.find((kind) => plurals(kind).includes(lower))
  if (found !== undefined) return found
  const meant = closest(written, [...Object.keys(SHORT_NAMES), ...RESOURCE_KINDS])
  const choices = `choose one of vs, gw, dr, se, ${RESOURCE_KINDS.join(', ')}`
  const hint = meant === null ? choices : `did you mean ${meant}? Else ${choices}`
  throw usageError(`there is no kind "${written}" to get`, 'get KIND', hint)
}

function plurals(kind: string): readonly string[] {
  const lower = kind.toLowerCase()
  return [lower, `${lower}s`, lower.replace(/y$/, 'ies')]
}

/** `tidegate get`: resources as served. Returns the exit status. */
export async function get(kind: string, view: GatewayView, options: GetOptions): Promise<number> {
  const { generation, resources } = await view.resources(kind)
  const { namespace, name } = options
  const wanted = resources.filter(
    (one) =>
      (namespace === null || one.namespace === namespace) && (name === null || one.name === name),
  )
  printOutput(options.output, { generation, resources: wanted }, () => {
    if (wanted.length > 0) process.stdout.write(resourceTable(kind, wanted, Date.now()))
    else console.log(`no ${kind} ${namespace === null ? 'is served' : `in namespace ${namespace}`}`)
  })
  return EXIT_OK
}

const MAX_HOSTS = 3

function resourceTable(
  kind: string,
  resources: readonly ResourceDescription[],
  nowMs: number,
): string {
  const bound = kind === 'VirtualService'
  const titles = ['NAMESPACE', 'NAME', ...(bound ? ['GATEWAYS'] : [])]
  return textTable(
    [...titles, 'HOSTS', 'AGE', 'SERVED', 'PROBLEMS', 'FILE'],
    resources.map((one) => [
      one.namespace,
      one.name,
      ...(bound ? [shortList(one.gateways, MAX_HOSTS)] : []),
      shortList(one.hosts, MAX_HOSTS),
      one.createdAt === null ? '-' : ageText(nowMs - Date.parse(one.createdAt)),
      one.served ? 'yes' : 'NO',
      problemsText(one.problems),
      one.file === null ? '-' : `${one.file}${one.line === null ? '' : `:${one.line}`}`,
    ]),
  )
}

function problemsText({ error, warning }: ResourceDescription['problems']): string {
  const parts = [
    error === 0 ? null : `${error} ${error === 1 ? 'error' : 'errors'}`,
    warning === 0 ? null : `${warning} ${warning === 1 ? 'warning' : 'warnings'}`,
  ].filter((part) => part !== null)
  return parts.length === 0 ? '-' : parts.join(', ')
}

const SECOND_MS = 1000
const UNITS: readonly (readonly [letter: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', SECOND_MS],
]

/** `3d`, `45s`: the largest unit, as kubectl. */
export function ageText(ms: number): string {
  for (const [letter, unit] of UNITS) if (ms >= unit) return `${Math.floor(ms / unit)}${letter}`
  return '0s'
}
