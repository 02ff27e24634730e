import { describeProblem, type ProblemDescription } from '../../config/problems.ts'
import { CallProblem } from '../../explain/call.ts'
import type { ExplainSource } from '../../explain/context.ts'
import { Explainer } from '../../explain/explainer.ts'
import type {
  ExplainedOutcome,
  ExplainedRule,
  Explanation,
  Place,
} from '../../explain/explanation.ts'
import { resourceName } from '../../explain/resource-places.ts'
import type { LoadedConfiguration } from '../../process/configuration.ts'
import { withoutSecrets } from '../offline-configuration.ts'
import type { CaseFile, RouteCase } from './case-file.ts'
import type { CoverageCount } from './coverage.ts'
import { mismatchesOf } from './expectation.ts'

/** What became of one case. Field names are stable: `tidegate test -o json`. */
export interface CaseResult {
  readonly name: string
  readonly file: string
  readonly line: number
  readonly passed: boolean
  readonly mismatches: readonly CaseMismatch[]
  /** null: the request makes no sense against this configuration. */
  readonly outcome: ExplainedOutcome | null
  /** The rule that decided, with its conditions; null where none did. */
  readonly decidedBy: ExplainedRule | null
  /** Rules that were expected to decide and did not, with the reasons. */
  readonly expectedRules: readonly ExplainedRule[]
}

export interface CaseMismatch {
  readonly field: string
  readonly line: number
  readonly expected: string
  readonly actual: string
}

export interface CaseFileResult {
  readonly cases: readonly CaseResult[]
  /** Errors of the configuration that the cases were run against. */
  readonly problems: readonly ProblemDescription[]
}

/** Runs the cases of a file against a configuration; `count` is told of rules and of those reached. */
export function runCases(
  file: Pick<CaseFile, 'cases'>,
  loaded: LoadedConfiguration,
  count: CoverageCount,
  addressRefusal: NonNullable<ExplainSource['addressRefusal']> = () => null,
): CaseFileResult {
  const { snapshot, set, settings, problems } = loaded
  count.addConfiguration(snapshot, set)
  const explainer = new Explainer({
    snapshot,
    set,
    settings,
    problems,
    live: false,
    bound: [],
    assumeSecrets: true,
    addressRefusal,
  })
  return {
    cases: file.cases.map((one) => runCase(one, explainer, settings.domain, count)),
    problems: problems
      .map(withoutSecrets)
      .filter(({ severity }) => severity === 'error')
      .map(describeProblem),
  }
}

function runCase(
  one: RouteCase,
  explainer: Explainer,
  domain: string,
  count: CoverageCount,
): CaseResult {
  const { name, file, line } = one
  const trace = explainer.trace(one.call)
  if (trace instanceof CallProblem) {
    const actual = `${trace.message}: ${trace.hint}`
    const wrong = { field: 'request', line, expected: 'a request that can be asked', actual }
    const nothing = { outcome: null, decidedBy: null, expectedRules: [] }
    return { name, file, line, passed: false, mismatches: [wrong], ...nothing }
  }
  const { explanation } = trace
  if (explanation.route !== null) count.reached(explanation.route.place)
  const mismatches = mismatchesOf(one.expect, trace, domain).map(
    ({ field, path, expected, actual }) => ({ field, line: one.lineOf(path), expected, actual }),
  )
  return {
    name,
    file,
    line,
    passed: mismatches.length === 0,
    mismatches,
    outcome: explanation.outcome,
    decidedBy: explanation.rules.find(({ verdict }) => verdict === 'matched') ?? null,
    expectedRules: mismatches.length === 0 ? [] : expectedRules(one, explanation),
  }
}

/** Rules of one expectation that are told: a VirtualService may have hundreds. */
const MAX_EXPECTED_RULES = 3

function expectedRules({ expect }: RouteCase, { rules }: Explanation): readonly ExplainedRule[] {
  const { route, rule, virtualService } = expect
  if (route === undefined && rule === undefined) return []
  return rules
    .filter(
      ({ verdict, name, place }) =>
        verdict !== 'matched' &&
        (route === undefined || name === route) &&
        (rule === undefined || place.path === rule || place.path.startsWith(`${rule}.`)) &&
        (virtualService === undefined || isNamed(place, virtualService)),
    )
    .slice(0, MAX_EXPECTED_RULES)
}

function isNamed(place: Place, name: string): boolean {
  return resourceName(place) === name || place.name === name
}
