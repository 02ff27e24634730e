import { type Problem, unplacedProblem } from './problems.ts'
import type { ResourceReading } from './resource-reading.ts'

/** Groups whose resources change what a gateway permits or reports: their silence would be noticed late. */
const LOUD_GROUPS: ReadonlySet<string> = new Set([
  'security.istio.io',
  'telemetry.istio.io',
  'extensions.istio.io',
])

/** One note for all kinds that are not read, and a warning for each of Istio's own among them. */
export function skippedProblems(readings: readonly ResourceReading[]): Problem[] {
  const counts = new Map<string, number>()
  const problems: Problem[] = []
  for (const { skipped, file, line } of readings) {
    if (skipped === null) continue
    counts.set(skipped.kind, (counts.get(skipped.kind) ?? 0) + 1)
    if (!LOUD_GROUPS.has(skipped.apiVersion.split('/')[0] ?? '')) continue
    const message = `${skipped.kind} has no effect here: the gateway does not enforce it`
    const problem = unplacedProblem('warning', 'unsupported-kind', message, null)
    problems.push({ ...problem, path: ['kind'], file, line })
  }
  if (counts.size > 0) problems.push(note(counts))
  return problems
}

function note(counts: ReadonlyMap<string, number>): Problem {
  const kinds = Array.from(counts, ([kind, count]) => `${kind} (${count})`).sort()
  const message = `documents of kinds that the gateway does not read were skipped: ${kinds.join(', ')}`
  return unplacedProblem('info', 'skipped-kinds', message, null)
}
