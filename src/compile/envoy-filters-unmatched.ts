import { closest } from '../base/closest.ts'
import type { Condition } from './envoy-filters-match.ts'
import type { RouteScope } from './envoy-filters-scope.ts'

export interface Miss {
  readonly path: readonly (string | number)[]
  readonly message: string
  readonly hint: string | null
}

/** Names listed in a hint, at most. */
const MAX_LISTED = 5

/**
 * Why no route satisfies all conditions: the first one that leaves none over, and the nearest name
 * among the routes that were still in.
 */
export function explainMiss(conditions: readonly Condition[], scopes: readonly RouteScope[]): Miss {
  let left = scopes
  for (const condition of conditions) {
    const next = left.filter((scope) => condition.matches(scope))
    if (next.length > 0) {
      left = next
      continue
    }
    const offered = new Set(left.flatMap((scope) => condition.offers(scope)))
    offered.delete('')
    return {
      path: condition.path,
      message: `the patch matches nothing: there is no ${condition.wanted}`,
      hint: suggest(condition.wanted, [...offered]),
    }
  }
  const last = conditions.at(-1)
  return {
    path: last?.path ?? [],
    message: 'the patch matches nothing: no route carries it',
    hint: null,
  }
}

function suggest(wanted: string, offered: readonly string[]): string | null {
  if (offered.length === 0) return null
  const name = /"(.*)"$/s.exec(wanted)?.[1]
  if (name !== undefined) {
    const near = sameHost(name, offered) ?? closest(name, offered)
    if (near !== null) {
      const rule = wanted.startsWith('virtual host')
        ? ' Virtual hosts are named <host>:<Gateway server port>.'
        : ''
      return `Did you mean "${near}"?${rule}`
    }
  }
  const listed = offered.slice(0, MAX_LISTED).join(', ')
  return `There is: ${listed}${offered.length > MAX_LISTED ? ', ...' : ''}.`
}

/** `bookinfo.com:8080` for `bookinfo.com:80` or `bookinfo.com`. */
function sameHost(name: string, offered: readonly string[]): string | null {
  const host = hostOf(name)
  return offered.find((candidate) => hostOf(candidate) === host) ?? null
}

function hostOf(name: string): string {
  return name.replace(/:\d+$/, '').toLowerCase()
}
