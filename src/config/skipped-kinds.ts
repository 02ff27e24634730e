import type { Problem } from './problems.ts'
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
    problems.push({
      code: 'unsupported-kind',
      severity: 'warning',
      ref: null,
      path: ['kind'],
      message: `${skipped.kind} has no effect here: the gateway does not enforce it`,
      hint: null,
      file,
      line,
      column: null,
    })
  }
  if (counts.size > 0) problems.push(note(counts))
  return problems
}

function note(counts: ReadonlyMap<string, number>): Problem {
  const kinds = Array.from(counts, ([kind, count]) => `${kind} (${count})`).sort()
  const message = `documents of kinds that the gateway does not read were skipped: ${kinds.join(', ')}`
  return {
    code: 'skipped-kinds',
    severity: 'info',
    ref: null,
    path: [],
    message,
    hint: null,
    file: null,
    line: null,
    column: null,
  }
}
