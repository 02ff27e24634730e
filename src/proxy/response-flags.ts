/** The order in which Envoy prints the response flags that can meet in one exchange. */
const ORDER = [
  'UH',
  'UT',
  'LR',
  'UR',
  'UF',
  'UC',
  'UO',
  'NR',
  'DI',
  'FI',
  'RL',
  'RLSE',
  'DC',
  'URX',
]

/** `flag` among the comma-joined flags already there, in Envoy's order; flags it lacks come last. */
export function joinFlags(present: string, flag: string): string {
  const flags = present.split(',')
  const at = flags.findIndex((other) => rank(other) > rank(flag))
  return flags.toSpliced(at === -1 ? flags.length : at, 0, flag).join(',')
}

function rank(flag: string): number {
  const at = ORDER.indexOf(flag)
  return at === -1 ? ORDER.length : at
}
