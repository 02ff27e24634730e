import type { LimitResetOutcome } from '../filters/limit-report.ts'
import type { BindAddress } from '../listeners/bind-address.ts'
import { adminPost, unexpectedAnswer } from './admin-call.ts'
import { CommandError, EXIT_FINDINGS, EXIT_OK, usageError } from './exit.ts'
import { type OutputFormat, printOutput } from './output.ts'

/** Whose counters, as the flags say. */
export interface ResetSelection {
  readonly policy?: string
  readonly domain?: string
  readonly rule?: string
  readonly entry: readonly string[]
  readonly key?: string
  readonly hot?: boolean
}

const BAD_REQUEST = 400
const NOT_FOUND = 404
const UNAVAILABLE = 503
const WHERE = 'limit reset'

/** `tidegate limit reset`: forgets counters. Returns the exit status. */
export async function resetLimit(
  admin: BindAddress,
  selection: ResetSelection,
  output: OutputFormat,
): Promise<number> {
  const { status, body } = await adminPost(admin, `/ratelimit/reset?${queryOf(selection)}`)
  const said = body.trim()
  if (status === BAD_REQUEST) throw usageError(said, WHERE, 'see tidegate limit reset --help')
  if (status === NOT_FOUND) {
    throw new CommandError(said, WHERE, 'see tidegate limit top for what is counted', EXIT_FINDINGS)
  }
  if (status === UNAVAILABLE) {
    throw new CommandError(said, WHERE, 'see tidegate status of the gateway', EXIT_FINDINGS)
  }
  if (status !== 200) throw unexpectedAnswer('POST /ratelimit/reset', status, body)
  const outcome = JSON.parse(body) as LimitResetOutcome
  printOutput(output, outcome, () => process.stdout.write(outcomeText(outcome)))
  return outcome.skipped.length === 0 ? EXIT_OK : EXIT_FINDINGS
}

function queryOf({ policy, domain, rule, entry, key, hot }: ResetSelection): string {
  const query = new URLSearchParams()
  const named = { policy, domain, rule, key }
  for (const [name, value] of Object.entries(named)) if (value !== undefined) query.set(name, value)
  for (const one of entry) query.append('entry', one)
  if (hot === true) query.set('hot', 'true')
  return query.toString()
}

function outcomeText({ counters, reset, skipped, othersRecheckMs }: LimitResetOutcome): string {
  const lines = [`${reset} of ${counters} named counters had something to forget`]
  for (const { rule, reason } of skipped) lines.push(`left as it was: ${rule}: ${reason}`)
  if (othersRecheckMs !== null && reset > 0) {
    lines.push(`other gateways may deny from memory for up to ${othersRecheckMs} ms more`)
  }
  return lines.map((line) => `${line}\n`).join('')
}
