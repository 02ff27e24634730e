import { CallProblem, type ExplainCall } from '../explain/call.ts'
import { queryOfCall } from '../explain/call-query.ts'
import { Explainer } from '../explain/explainer.ts'
import { explainLimits } from '../explain/limit-explainer.ts'
import type { LimitExplanation } from '../explain/limit-explanation.ts'
import { limitText } from '../explain/limit-text.ts'
import { EXIT_FINDINGS, EXIT_OK } from './exit.ts'
import { askAdmin, callProblem, chooseSource, type ExplainOptions, noteErrors } from './explain.ts'
import { loadOffline } from './offline-configuration.ts'
import { printOutput } from './output.ts'

/** `tidegate limit explain`: which limits a request meets. Returns the exit status. */
export async function explainLimit(call: ExplainCall, options: ExplainOptions): Promise<number> {
  const admin = chooseSource(options)
  const found =
    admin === null
      ? await explainFiles(call, options)
      : await askAdmin<LimitExplanation>(admin, `/ratelimit/explain${queryOfCall(call)}`)
  printOutput(options.output, found, () => process.stdout.write(limitText(found)))
  return found.decision === 'deny' ? EXIT_FINDINGS : EXIT_OK
}

async function explainFiles(call: ExplainCall, options: ExplainOptions): Promise<LimitExplanation> {
  const { snapshot, set, settings, problems } = await loadOffline(
    options.config,
    '-c, --config',
    options,
  )
  const source = { snapshot, set, settings, problems, live: false, bound: [] }
  const trace = new Explainer(source).trace(call)
  if (trace instanceof CallProblem) throw callProblem(trace)
  noteErrors(problems)
  return explainLimits(trace, { set, look: false })
}
