import { describeProblem } from '../config/problems.ts'
import { problemText } from '../process/problem-log.ts'
import { DEFAULT_DOMAIN, DEFAULT_NAMESPACE } from '../process/run-options.ts'
import { EXIT_FINDINGS, EXIT_OK } from './exit.ts'
import { loadOffline, withoutSecrets } from './offline-configuration.ts'
import { type OutputFormat, printOutput } from './output.ts'

export interface ValidateOptions {
  readonly output: OutputFormat
  readonly failOn: 'error' | 'warning'
  readonly compat: boolean
}

/** `tidegate validate`: every problem of the files, alone and together. Returns the exit status. */
export async function validate(
  paths: readonly string[],
  options: ValidateOptions,
): Promise<number> {
  const loaded = await loadOffline(paths, 'validate PATH', {
    labels: [],
    namespace: DEFAULT_NAMESPACE,
    domain: DEFAULT_DOMAIN,
    meshConfig: null,
    compat: options.compat,
  })
  const { counts } = loaded
  const problems = loaded.problems.map(withoutSecrets)
  const errors = problems.filter((problem) => problem.severity === 'error').length
  const warnings = problems.filter((problem) => problem.severity === 'warning').length
  const summary = { files: counts.files, resources: counts.resources, errors, warnings }
  printOutput(options.output, { ...summary, problems: problems.map(describeProblem) }, () => {
    for (const problem of problems) console.log(`${problem.severity}: ${problemText(problem)}`)
    console.log(
      `${counts.resources} resources in ${counts.files} files: ${errors} errors, ${warnings} warnings`,
    )
  })
  const failed = errors > 0 || (options.failOn === 'warning' && warnings > 0)
  return failed ? EXIT_FINDINGS : EXIT_OK
}
