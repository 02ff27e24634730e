import { checkCorsPolicy } from './cors-rules.ts'
import { checkHeaders, setsAuthority } from './header-rules.ts'
import { checkDirectResponse, checkRedirect, checkRewrite } from './http-action-rules.ts'
import { checkFault, checkMirrors } from './http-fault-rules.ts'
import { checkRetries, checkTimeouts } from './http-retry-rules.ts'
import type { Place } from './place.ts'
import type { Binding } from './virtual-service-binding.ts'
import { checkHttpMatch } from './virtual-service-match-rules.ts'
import type { HttpRouteSpec } from './virtual-service.ts'
import { checkWeightedDestinations } from './weighted-destination-rules.ts'

/** One entry of VirtualService `http`. */
export function checkHttpRule(place: Place, rule: HttpRouteSpec, binding: Binding): void {
  checkAction(place, rule)
  place.each('match', rule.match, (match, at) => checkHttpMatch(at, match, binding))
  const route = rule.route ?? []
  checkWeightedDestinations(place.at('route'), route)
  place.each('route', route, (entry, at) => checkHeaders(at.at('headers'), entry.headers))
  checkHeaders(place.at('headers'), rule.headers)
  if (rule.redirect !== undefined) checkRedirect(place.at('redirect'), rule.redirect, rule)
  if (rule.rewrite !== undefined) checkRewrite(place.at('rewrite'), rule.rewrite, rule)
  if (rule.directResponse !== undefined) {
    checkDirectResponse(place.at('directResponse'), rule.directResponse)
  }
  checkAuthority(place, rule)
  checkTimeouts(place, rule)
  if (rule.retries !== undefined) checkRetries(place.at('retries'), rule.retries)
  if (rule.fault !== undefined) checkFault(place.at('fault'), rule.fault)
  checkMirrors(place, rule)
  if (rule.corsPolicy !== undefined) checkCorsPolicy(place.at('corsPolicy'), rule.corsPolicy, rule)
}

/** Fields that a redirect, a direct response or a delegate leaves no room for. */
const EXCLUDED = {
  redirect: ['route', 'directResponse', 'fault', 'rewrite'],
  directResponse: ['route', 'fault', 'rewrite', 'mirror', 'mirrors'],
  delegate: ['route', 'redirect', 'directResponse'],
} as const

function checkAction(place: Place, rule: HttpRouteSpec): void {
  for (const [action, excluded] of Object.entries(EXCLUDED)) {
    if (!isPresent(rule, action)) continue
    for (const field of excluded) {
      if (!isPresent(rule, field)) continue
      place
        .at(field)
        .error(
          'conflicting-fields',
          `HTTP route cannot contain both ${field} and ${action}`,
          'keep one of them, or split the rule in two',
        )
    }
  }
  const actions = ['route', 'redirect', 'directResponse', 'delegate']
  if (actions.some((field) => isPresent(rule, field))) return
  place.error(
    'missing-field',
    'HTTP route, redirect or direct_response is required',
    'add route with a destination',
  )
}

function isPresent(rule: HttpRouteSpec, field: string): boolean {
  const value = Object.entries(rule).find(([name]) => name === field)?.[1]
  return value !== undefined && !(Array.isArray(value) && value.length === 0)
}

function checkAuthority(place: Place, rule: HttpRouteSpec): void {
  const hint = 'keep one: rewrite.authority, or Host in headers.request'
  if (rule.rewrite?.authority !== undefined && setsAuthority(rule.headers)) {
    place
      .at('headers', 'request')
      .error(
        'conflicting-fields',
        'authority header cannot be set multiple times: rewrite.authority and headers.request',
        hint,
      )
  }
  for (const [name] of Object.entries(rule.headers?.request?.set ?? {})) {
    const lower = name.toLowerCase()
    const added = Object.keys(rule.headers?.request?.add ?? {}).map((key) => key.toLowerCase())
    if ((lower === 'host' || lower === ':authority') && added.some((key) => key === lower)) {
      place
        .at('headers', 'request', 'add')
        .error(
          'conflicting-fields',
          `authority header cannot be set multiple times: set and add of "${name}"`,
          hint,
        )
    }
  }
}
