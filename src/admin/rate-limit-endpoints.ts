import { CallProblem } from '../explain/call.ts'
import { callOfQuery } from '../explain/call-query.ts'
import { limitText } from '../explain/limit-text.ts'
import type { LimitReset } from '../filters/limit-report.ts'
import type { AdminState } from './admin-state.ts'

/** Query parameters as the server parses them. */
export type LimitQuery = Readonly<Record<string, string | string[] | undefined>>

/** An answer: `body` text when it is a string, else JSON. */
export interface LimitAnswer {
  readonly status: number
  readonly body: unknown
}

const BAD_REQUEST = 400
const NOT_READY = 503

const NO_LIMITS = refused(BAD_REQUEST, 'this process limits no requests')

function refused(status: number, message: string): LimitAnswer {
  return { status, body: `${message}\n` }
}

const MAX_KEYS = 256

/** GET /ratelimit/top */
export async function topLimits(
  state: Pick<AdminState, 'rateLimits' | 'hotLimits'>,
  query: LimitQuery,
): Promise<LimitAnswer> {
  const activity = state.rateLimits?.() ?? null
  const keys = (await state.hotLimits?.()) ?? null
  if (activity === null || keys === null) return NO_LIMITS
  const written = one(query, 'limit')
  const limit = written === null ? MAX_KEYS : Number(written)
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_KEYS) {
    return refused(BAD_REQUEST, `limit must be a number from 1 to ${MAX_KEYS}`)
  }
  const { store, rules } = activity
  return { status: 200, body: { store, keys: keys.slice(0, limit), rules } }
}

/** GET /ratelimit/explain, with the query of /explain. */
export async function explainedLimits(
  state: Pick<AdminState, 'explainLimits'>,
  query: LimitQuery,
): Promise<LimitAnswer> {
  if (state.explainLimits === undefined) return NO_LIMITS
  const asked = callOfQuery(query)
  const found = asked instanceof CallProblem ? asked : await state.explainLimits(asked)
  if (found instanceof CallProblem) return refused(BAD_REQUEST, `${found.message}: ${found.hint}`)
  if (found === null) return refused(NOT_READY, 'no configuration serves yet')
  return { status: 200, body: one(query, 'format') === 'text' ? limitText(found) : found }
}

const STATUSES = { wrong: BAD_REQUEST, unknown: 404, away: NOT_READY } as const

/** POST /ratelimit/reset */
export async function resetLimits(
  state: Pick<AdminState, 'resetLimits'>,
  query: LimitQuery,
): Promise<LimitAnswer> {
  if (state.resetLimits === undefined) return NO_LIMITS
  const asked = readReset(query)
  if (typeof asked === 'string') return refused(BAD_REQUEST, asked)
  const outcome = await state.resetLimits(asked)
  if ('counters' in outcome) return { status: 200, body: outcome }
  return refused(STATUSES[outcome.kind], `${outcome.message}: ${outcome.hint}`)
}

const NAMES = ['key', 'policy', 'domain', 'rule', 'entry', 'hot']
const MAX_ENTRIES = 32

/** A string says what is wrong. */
function readReset(query: LimitQuery): LimitReset | string {
  for (const name of Object.keys(query)) {
    if (!NAMES.includes(name)) {
      return `there is no parameter ${name}: known are ${NAMES.join(', ')}`
    }
    if (name !== 'entry' && all(query, name).length > 1) return `${name} is given twice`
  }
  const written = all(query, 'entry')
  if (written.length > MAX_ENTRIES) return `there are more than ${MAX_ENTRIES} entries`
  const entries = written.map(parseEntry)
  if (entries.includes(null)) return 'an entry is written entry=NAME=VALUE'
  const hot = one(query, 'hot')
  if (hot !== null && !['', 'true', 'false'].includes(hot)) return 'hot is true or false'
  return {
    key: one(query, 'key'),
    policy: one(query, 'policy'),
    domain: one(query, 'domain'),
    rule: one(query, 'rule'),
    entries: entries.filter((entry) => entry !== null),
    hot: hot !== null && hot !== 'false',
  }
}

/** `PATH=/a?x=1`: the name ends at the first `=`. */
function parseEntry(text: string): readonly [string, string] | null {
  const equals = text.indexOf('=')
  return equals < 1 ? null : [text.slice(0, equals), text.slice(equals + 1)]
}

function all(query: LimitQuery, name: string): readonly string[] {
  const value = Object.hasOwn(query, name) ? query[name] : undefined
  return value === undefined ? [] : [value].flat()
}

function one(query: LimitQuery, name: string): string | null {
  return all(query, name)[0] ?? null
}
