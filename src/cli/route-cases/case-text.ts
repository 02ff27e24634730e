import { placeText, ruleLines, withoutControls } from '../../explain/text.ts'
import type { CaseResult } from './case-run.ts'
import type { Coverage } from './coverage.ts'

const INDENT = '      '

/** A case for people: one line when it passed, else what differs and which rule decided. */
export function caseText(result: CaseResult): string {
  const { name, file, line, passed, mismatches, outcome, decidedBy, expectedRules } = result
  if (passed) return text([`ok    ${name}`])
  const told = [...expectedRules, ...(decidedBy === null ? [] : [decidedBy])].toSorted(
    (a, b) => a.position - b.position,
  )
  return text([
    `FAIL  ${name}  (${file}:${line})`,
    ...mismatches.flatMap(({ field, line: at, expected, actual }) => [
      `${INDENT}${field} (${file}:${at})`,
      `${INDENT}  expected  ${expected}`,
      `${INDENT}  actual    ${actual}`,
    ]),
    ...(outcome === null ? [] : [`${INDENT}=> ${outcome.summary}`]),
    ...(outcome?.hints ?? []).map((hint) => `${INDENT}   ${hint}`),
    ...told.flatMap(ruleLines).map((one) => `${INDENT}${one}`),
  ])
}

/** Rules that no case reaches, and how many there are. */
export function coverageText({ rules, covered, percent, uncovered, unserved }: Coverage): string {
  return text([
    ...uncovered.map((place) => `not covered  ${placeText(place)}`),
    ...unserved.map((place) => `not served   ${placeText(place)}`),
    `${covered} of ${rules} rules are covered: ${percent} %`,
  ])
}

function text(lines: readonly string[]): string {
  return lines.map((one) => `${withoutControls(one).trimEnd()}\n`).join('')
}
