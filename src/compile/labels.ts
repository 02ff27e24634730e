export type Labels = Readonly<Record<string, string>>

/** Does `labels` carry every key of `selector` with the same value? An empty selector matches all. */
export function selects(selector: Labels | undefined, labels: Labels): boolean {
  if (selector === undefined) return true
  for (const [key, value] of Object.entries(selector)) if (labels[key] !== value) return false
  return true
}

/** `a=1,b=2`, keys sorted; `(none)` for an empty set. */
export function formatLabels(labels: Labels): string {
  const entries = Object.entries(labels).map(([key, value]) => `${key}=${value}`)
  return entries.length === 0 ? '(none)' : entries.toSorted().join(',')
}
