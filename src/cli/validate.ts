import { statSync } from 'node:fs'
import { describeProblem, type Problem } from '../config/problems.ts'
import { startFileSource } from '../config/sources/file/file-source.ts'
import { createRateLimit } from '../../plugins/rate-limit/index.ts'
import { Configuration } from '../process/configuration.ts'
import { problemText } from '../process/problem-log.ts'
import { DEFAULT_DOMAIN, DEFAULT_NAMESPACE } from '../process/run-options.ts'
import { EXIT_FINDINGS, EXIT_OK, usageError } from './exit.ts'
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
  for (const path of paths) {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) {
      throw usageError(`there is no file or folder ${path}`, 'validate PATH', 'check the path')
    }
  }
  const rateLimit = createRateLimit({ redisUrl: null, log: () => undefined })
  const configuration = new Configuration({
    compat: options.compat,
    labels: [],
    namespace: DEFAULT_NAMESPACE,
    domain: DEFAULT_DOMAIN,
    meshConfig: null,
    rateLimitConfig: null,
    filterFactories: [rateLimit.factory],
  })
  const source = await startFileSource({ paths, watch: false, onChange: () => undefined })
  const { problems: found, counts } = configuration.load(await source.read())
  const problems = found.map(withoutSecrets)
  await source.close()
  await rateLimit.close()
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

/** Files under version control come without their Secrets, so one that is absent decides nothing. */
function withoutSecrets(problem: Problem): Problem {
  return problem.code === 'secret-not-found' ? { ...problem, severity: 'warning' } : problem
}
