import type { ReloadOutcome } from '../admin/admin-state.ts'
import type { ProblemDescription, Severity } from '../config/problems.ts'
import type { BindAddress } from '../listeners/bind-address.ts'
import { adminJson, adminPost, unexpectedAnswer } from './admin-call.ts'
import { EXIT_FINDINGS, EXIT_OK } from './exit.ts'
import { type OutputFormat, printOutput } from './output.ts'
import { problemLine } from './problem-lines.ts'

/** Thousands of files on a busy machine take seconds. */
const RELOAD_TIMEOUT_MS = 60_000
/** `ok` false. */
const FAILED = 500

interface Findings {
  readonly counts: Readonly<Record<Severity, number>>
  readonly problems: readonly ProblemDescription[]
}

/** `tidegate reload`: reads all sources again, tells the outcome and the findings. Returns the exit status. */
export async function reload(admin: BindAddress, output: OutputFormat): Promise<number> {
  const { status, body } = await adminPost(admin, '/reload', RELOAD_TIMEOUT_MS)
  const outcome = status === 200 || status === FAILED ? parseOutcome(body) : null
  if (outcome === null) throw unexpectedAnswer('POST /reload', status, body)
  const { counts, problems } = await adminJson<Findings>(admin, '/problems')
  printOutput(output, { ...outcome, counts, problems }, () => {
    for (const problem of problems) {
      if (problem.severity !== 'info') console.log(problemLine(problem))
    }
    console.log(`${outcomeText(outcome)}: ${counts.error} errors, ${counts.warning} warnings`)
  })
  return outcome.ok ? EXIT_OK : EXIT_FINDINGS
}

function outcomeText({ ok, changed, generation }: ReloadOutcome): string {
  if (!ok) return `reload FAILED, generation ${generation} still serves`
  return changed
    ? `reloaded, generation ${generation} serves`
    : `nothing changed, generation ${generation} serves`
}

function parseOutcome(body: string): ReloadOutcome | null {
  try {
    const parsed = JSON.parse(body) as Partial<ReloadOutcome> | null
    return typeof parsed?.ok === 'boolean' ? (parsed as ReloadOutcome) : null
  } catch {
    return null
  }
}
