import type { LimitState, ReportedLimit } from '../filters/limit-report.ts'
import type { ExplainedLimitRule, ExplainedLimits, LimitExplanation } from './limit-explanation.ts'
import { placeText, withoutControls } from './text.ts'
import { type Line, line, more } from './text-line.ts'

/** An explanation of limits for people: what the request gets, then every rule and why. */
export function limitText(explanation: LimitExplanation): string {
  const { request, outcome, route, filters } = explanation
  const lines: Line[] = [`=> ${decisionText(explanation)}`, '']
  if (request !== null) {
    const { method, authority, path, query, clientAddress } = request
    lines.push(
      line('request', `${method} ${path}${query}  host ${authority}  from ${clientAddress}`),
    )
  }
  lines.push(line('goes', outcome.summary))
  if (route !== null) lines.push(line('route', placeText(route)))
  lines.push(...filters.flatMap(filterLines))
  return lines.map((one) => `${withoutControls(one).trimEnd()}\n`).join('')
}

function noRouteText(served: boolean): string {
  return served
    ? 'not limited: limits belong to routes, and no route is asked about it'
    : 'not limited: no route takes the request'
}

function decisionText({
  decision,
  status,
  live,
  outcome,
  route,
  filters,
}: LimitExplanation): string {
  switch (decision) {
    case 'deny':
      return `denied now: ${status}`
    case 'allow':
      return 'admitted now by every limit'
    case 'unknown':
      return live
        ? 'not known: some counters cannot be asked'
        : 'limits apply; what is left of them only a running gateway knows (--admin)'
    case 'none':
      if (route === null) return noRouteText(outcome.ok)
      return filters.length === 0
        ? 'not limited: the route has no limits'
        : 'not limited: no limit of the route applies to the request'
  }
}

const KINDS = {
  global: 'rate limit filter (EnvoyFilter)',
  local: 'local rate limit filter (EnvoyFilter)',
  policy: 'RateLimitPolicy',
} as const

function filterLines({ filter, kind, notes, rules, decision }: ExplainedLimits): readonly Line[] {
  const now = decision === 'unknown' ? '' : `  now: ${decision === 'deny' ? 'DENY' : 'allow'}`
  return [
    '',
    line('filter', `${filter}  ${KINDS[kind]}${now}`),
    ...notes.map((note) => more('note', note)),
    ...rules.flatMap(ruleLines),
  ]
}

function ruleLines(rule: ExplainedLimitRule): readonly Line[] {
  const { policy, applies, reason, shadow, entries, place, limitPlace, limitLine } = rule
  const title = `${policy}${rule.rule === null ? '' : `  ${rule.rule}`}`
  const verdict = applies ? `applies${shadow ? ', shadow: refuses nobody' : ''}` : 'does not apply'
  const lines = [line('rule', `${title}  ${verdict}`)]
  if (place !== null) lines.push(more('at', placeText(place)))
  if (entries.length > 0) {
    lines.push(more('entries', entries.map(([key, value]) => `${key}=${value}`).join(', ')))
  }
  if (reason !== null) lines.push(more('why', reason))
  if (limitPlace !== null) {
    const within = limitLine === null ? '' : `, line ${limitLine} of it`
    lines.push(more('limit at', `${placeText(limitPlace)}${within}`))
  }
  return [...lines, ...rule.limits.flatMap(limitLines)]
}

function limitLines({ key, state, cost, ...limit }: ReportedLimit): readonly Line[] {
  const price = cost === 1 ? '' : `, this request takes ${cost}`
  const lines = [more('limit', `${quotaText(limit)}${price}`), more('counter', key)]
  if (state !== null) lines.push(more('now', stateText(state)))
  return lines
}

const ALGORITHMS = { fixedWindow: 'fixed window', slidingWindow: 'sliding window', gcra: 'GCRA' }

/** `100 per 60s, GCRA, burst 20` */
export function quotaText({
  algorithm,
  requests,
  periodMs,
  burst,
}: Pick<ReportedLimit, 'algorithm' | 'requests' | 'periodMs' | 'burst'>): string {
  const more = algorithm === 'gcra' ? `, burst ${burst}` : ''
  return `${requests} per ${periodText(periodMs)}, ${ALGORITHMS[algorithm]}${more}`
}

function stateText({ used, remaining, over, retryMs, resetMs }: LimitState): string {
  const verdict = over ? `OVER, fits in ${durationText(retryMs)}` : 'fits'
  return `${verdict}: ${used} used, ${remaining} left, whole in ${durationText(resetMs)}`
}

const SECOND_MS = 1000
const HOUR_MS = 3_600_000

function periodText(ms: number): string {
  return ms % HOUR_MS === 0 ? `${ms / HOUR_MS}h` : durationText(ms)
}

/** `250ms`, `60s` */
export function durationText(ms: number): string {
  return ms < SECOND_MS && ms > 0 ? `${Math.ceil(ms)}ms` : `${Math.ceil(ms / SECOND_MS)}s`
}
