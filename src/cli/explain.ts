import type { Problem } from '../config/problems.ts'
import { CallProblem, type ExplainCall } from '../explain/call.ts'
import { queryOfCall } from '../explain/call-query.ts'
import { Explainer } from '../explain/explainer.ts'
import type { Explanation } from '../explain/explanation.ts'
import { explanationText } from '../explain/text.ts'
import type { BindAddress } from '../listeners/bind-address.ts'
import { adminGet, unexpectedAnswer } from './admin-call.ts'
import { type CommandError, EXIT_FINDINGS, EXIT_OK, usageError } from './exit.ts'
import { loadOffline, offlineGuard, type OfflineOptions } from './offline-configuration.ts'
import { type OutputFormat, printOutput } from './output.ts'

export interface ExplainOptions extends OfflineOptions {
  readonly output: OutputFormat
  /** Files to compile; empty where `admin` is asked. */
  readonly config: readonly string[]
  /** A running gateway to ask, or null. */
  readonly admin: BindAddress | null
}

/** `tidegate explain`: why a request goes where it goes. Returns the exit status. */
export async function explain(call: ExplainCall, options: ExplainOptions): Promise<number> {
  const admin = chooseSource(options)
  const explanation =
    admin === null
      ? await explainFiles(call, options)
      : await askAdmin<Explanation>(admin, `/explain${queryOfCall(call)}`)
  printOutput(options.output, explanation, () => {
    process.stdout.write(explanationText(explanation))
  })
  return explanation.outcome.ok ? EXIT_OK : EXIT_FINDINGS
}

/** The gateway to ask, or null for files. Throws when it is neither or both. */
export function chooseSource({ admin, config }: ExplainOptions): BindAddress | null {
  if (admin !== null && config.length > 0) {
    throw usageError(
      'both files and a running gateway are named',
      '-c, --admin',
      'give -c for files, or --admin for what a gateway serves',
    )
  }
  if (admin === null && config.length === 0) {
    throw usageError(
      'there is nothing to ask',
      '-c, --admin',
      'name files: -c ./istio, or a running gateway: --admin 127.0.0.1:15000',
    )
  }
  return admin
}

export function callProblem({ message, hint }: CallProblem): CommandError {
  return usageError(message, 'explain METHOD URL', hint)
}

/** Errors of the files may be why the answer is another than was meant. */
export function noteErrors(problems: readonly Problem[]): void {
  const errors = problems.filter(({ severity }) => severity === 'error').length
  if (errors === 0) return
  console.error(
    `tidegate: the configuration has ${errors} ${errors === 1 ? 'error' : 'errors'}: see tidegate validate`,
  )
}

async function explainFiles(call: ExplainCall, options: ExplainOptions): Promise<Explanation> {
  const loaded = await loadOffline(options.config, '-c, --config', options)
  const { snapshot, set, settings, problems } = loaded
  const addressRefusal = offlineGuard(options)
  const source = { snapshot, set, settings, problems, live: false, bound: [], addressRefusal }
  const explanation = new Explainer(source).explain(call)
  if (explanation instanceof CallProblem) throw callProblem(explanation)
  noteErrors(problems)
  return explanation
}

const BAD_REQUEST = 400

/** GET of what explains a call. Throws a usage error for a call that makes no sense. */
export async function askAdmin<T>(admin: BindAddress, path: string): Promise<T> {
  const { status, body } = await adminGet(admin, path)
  if (status === BAD_REQUEST) {
    throw usageError(body.trim(), 'explain METHOD URL', 'see tidegate explain --help')
  }
  if (status !== 200) {
    throw unexpectedAnswer(`GET ${path.split('?', 1)[0]}`, status, body)
  }
  return JSON.parse(body) as T
}
