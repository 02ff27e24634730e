import type { Endpoint } from './endpoint.ts'

/**
 * Envoy's overprovisioning factor, percent: a level keeps all requests as long as 100 / 140 of its
 * endpoints are healthy.
 */
const OVERPROVISIONING_PERCENT = 140
const ALL = 100

/** The endpoints of one failover priority and what part of the requests goes to them. */
export class PriorityLevel {
  readonly priority: number
  readonly endpoints: readonly Endpoint[]
  /** Percent of the requests, 0..100. */
  load: number
  /** Too few are healthy: ejected ones get requests too. */
  panic: boolean
  healthy: number

  constructor(priority: number, endpoints: readonly Endpoint[]) {
    this.priority = priority
    this.endpoints = endpoints
    this.load = 0
    this.panic = false
    this.healthy = endpoints.length
  }

  get healthyPercent(): number {
    const total = this.endpoints.length
    return total === 0 ? 0 : (ALL * this.healthy) / total
  }

  /** What this level can take, percent of all requests. */
  get capacity(): number {
    const total = this.endpoints.length
    if (total === 0) return 0
    return Math.min(ALL, (OVERPROVISIONING_PERCENT * this.healthy) / total)
  }
}

/** Share of a locality's weight that counts while some of its endpoints are ejected, 0..1. */
export function availableShare(available: number, total: number): number {
  if (total === 0) return 0
  return Math.min(ALL, (OVERPROVISIONING_PERCENT * available) / total) / ALL
}

/** Endpoints by priority, in order; all requests go to the first level until `weighLevels` says more. */
export function levelsOf(endpoints: readonly Endpoint[]): readonly PriorityLevel[] {
  const byPriority = new Map<number, Endpoint[]>()
  for (const endpoint of endpoints) {
    const level = byPriority.get(endpoint.priority)
    if (level === undefined) byPriority.set(endpoint.priority, [endpoint])
    else level.push(endpoint)
  }
  const levels = [...byPriority.entries()]
    .sort(([a], [b]) => a - b)
    .map(([priority, members]) => new PriorityLevel(priority, members))
  if (levels[0] !== undefined) levels[0].load = ALL
  return levels
}

/**
 * Spreads the requests over the levels by health, and says which endpoints may be picked. Each level
 * takes what its healthy endpoints can carry of what those before it left over (Envoy, priority
 * levels); a level panics below `minHealthPercent`, but not while others make up for it.
 */
export function weighLevels(levels: readonly PriorityLevel[], minHealthPercent: number): void {
  let capacity = 0
  for (const level of levels) {
    level.healthy = healthyIn(level.endpoints)
    capacity += level.capacity
  }
  const total = Math.min(ALL, capacity)
  const covered = levels.length > 1 && total === ALL
  for (const level of levels) {
    level.panic = !covered && level.healthyPercent < minHealthPercent
    for (const endpoint of level.endpoints) {
      endpoint.available = level.panic || endpoint.healthy
    }
  }
  if (levels.length > 0 && levels.every(({ panic }) => panic)) spreadBySize(levels)
  else spreadByCapacity(levels, total)
}

/** Which levels panic, for the log; '' where there is one level only. */
export function panicNote(levels: readonly PriorityLevel[]): string {
  const panicking = levels.filter(({ panic }) => panic)
  if (levels.length < 2 || panicking.length === 0) return ''
  const texts = panicking.map(
    ({ priority, healthy, endpoints }) =>
      `${healthy} of ${endpoints.length} of priority ${priority}`,
  )
  return ` (${texts.join(', ')})`
}

/** Every level panics: health says nothing any more, so that each counts by its size. */
function spreadBySize(levels: readonly PriorityLevel[]): void {
  const total = levels.reduce((sum, { endpoints }) => sum + endpoints.length, 0)
  for (const level of levels) level.load = (ALL * level.endpoints.length) / total
}

function spreadByCapacity(levels: readonly PriorityLevel[], total: number): void {
  let left = ALL
  for (const level of levels) {
    level.load = total === 0 ? 0 : Math.min(left, (ALL * level.capacity) / total)
    left -= level.load
  }
}

function healthyIn(endpoints: readonly Endpoint[]): number {
  let healthy = 0
  for (const endpoint of endpoints) if (endpoint.healthy) healthy++
  return healthy
}
