import type { Problem, ProblemDescription } from '../config/problems.ts'
import { problemText } from '../process/problem-log.ts'
import { type CaseFile, readCaseFile } from './route-cases/case-file.ts'
import { type CaseResult, runCases } from './route-cases/case-run.ts'
import { caseText, coverageText } from './route-cases/case-text.ts'
import { type Coverage, CoverageCount } from './route-cases/coverage.ts'
import { EXIT_FINDINGS, EXIT_OK, usageError } from './exit.ts'
import { loadOffline, offlineGuard, type OfflineOptions } from './offline-configuration.ts'
import { type OutputFormat, printOutput } from './output.ts'
import { problemLine } from './problem-lines.ts'

/** Flags of `tidegate test`. */
export interface RouteTestOptions {
  readonly output: OutputFormat
  /** Read in place of what the case files name; empty: theirs. */
  readonly config: readonly string[]
  /** How a file's configuration is to be understood. */
  readonly configurationOf: (file: CaseFile) => OfflineOptions
  readonly coverage: boolean
  /** Percent of covered rules below which the test fails, or null. */
  readonly failUnder: number | null
}

interface TestReport {
  readonly cases: readonly CaseResult[]
  readonly passed: number
  readonly failed: number
  readonly problems: readonly ProblemDescription[]
  readonly coverage: Coverage | null
}

/** `tidegate test`: route cases against configuration, without sockets. Returns the exit status. */
export async function testRoutes(
  paths: readonly string[],
  options: RouteTestOptions,
): Promise<number> {
  const files = readCaseFiles(paths)
  for (const file of files) requireConfiguration(file, options)
  const count = new CoverageCount()
  const cases: CaseResult[] = []
  const problems: ProblemDescription[] = []
  for (const file of files) {
    const guard = offlineGuard(options.configurationOf(file))
    const result = runCases(file, await load(file, options), count, guard)
    cases.push(...result.cases)
    problems.push(...result.problems)
  }
  const failed = cases.filter(({ passed }) => !passed).length
  const coverage = options.coverage || options.failUnder !== null ? count.result() : null
  const report = { cases, passed: cases.length - failed, failed, problems, coverage }
  printOutput(options.output, report, () => printReport(report))
  const low = options.failUnder !== null && (coverage?.percent ?? 0) < options.failUnder
  if (low) {
    console.error(`tidegate: fewer than ${options.failUnder} % of the rules are covered`)
  }
  return failed > 0 || problems.length > 0 || low ? EXIT_FINDINGS : EXIT_OK
}

/** All that is wrong with the files is told before the first case runs. */
function readCaseFiles(paths: readonly string[]): readonly CaseFile[] {
  const files: CaseFile[] = []
  const problems: Problem[] = []
  for (const path of paths) {
    const read = readCaseFile(path)
    if (Array.isArray(read)) problems.push(...(read as readonly Problem[]))
    else files.push(read as CaseFile)
  }
  if (problems.length === 0) return files
  for (const problem of problems) console.error(`error: ${problemText(problem)}`)
  const what =
    problems.length === 1 ? 'a case file is wrong' : `the case files have ${problems.length} errors`
  throw usageError(what, 'test FILE', 'mend what is listed above; see docs/testing-routes.md')
}

function requireConfiguration(file: CaseFile, { config }: RouteTestOptions): void {
  if (config.length > 0 || file.configuration.length > 0) return
  throw usageError(
    'the case file names no configuration',
    file.path,
    'write configuration: [FOLDER] in it, or give -c FOLDER',
  )
}

function load(file: CaseFile, options: RouteTestOptions): ReturnType<typeof loadOffline> {
  const own = options.config.length === 0
  const paths = own ? file.configuration : options.config
  return loadOffline(paths, own ? file.path : '-c, --config', options.configurationOf(file))
}

function printReport({ cases, passed, failed, problems, coverage }: TestReport): void {
  for (const result of cases) process.stdout.write(caseText(result))
  for (const problem of problems) console.log(problemLine(problem))
  if (coverage !== null) process.stdout.write(coverageText(coverage))
  const broken =
    problems.length === 0
      ? ''
      : `, ${problems.length} errors in the configuration: see tidegate validate`
  console.log(`${passed} passed, ${failed} failed${broken}`)
}
