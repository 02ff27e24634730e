import type { Explanation, Place } from '../../explain/explanation.ts'
import { resourceName } from '../../explain/resource-places.ts'
import type { Trace } from '../../explain/decided.ts'
import type { Expectation } from './case-schema.ts'
import {
  actualDestinations,
  actualText,
  expectedText,
  sameDestinations,
} from './destination-match.ts'
import { mismatch, type Mismatch, quoted } from './mismatch.ts'
import { directResponseMismatches, headerMismatches, rewriteMismatches } from './sent-request.ts'

type Fields = { readonly [K in keyof Expectation]-?: NonNullable<Expectation[K]> }

/** What one field expects against a trace; `domain` is the cluster domain. */
type Checks = {
  readonly [K in keyof Fields]: (
    expected: Fields[K],
    trace: Trace,
    domain: string,
  ) => readonly Mismatch[]
}

/** Every expectation that a trace does not meet, in the order in which a request meets them. */
export function mismatchesOf(
  expect: Expectation,
  trace: Trace,
  domain: string,
): readonly Mismatch[] {
  const names = Object.keys(CHECKS) as (keyof Fields)[]
  return names.flatMap((name) => checkField(name, expect, trace, domain))
}

function checkField<K extends keyof Fields>(
  name: K,
  expect: Partial<Fields>,
  trace: Trace,
  domain: string,
): readonly Mismatch[] {
  const expected = expect[name]
  return expected === undefined ? [] : CHECKS[name](expected, trace, domain)
}

const CHECKS: Checks = {
  refused: (expected, { explanation }) =>
    same('refused', String(expected), String(explanation.outcome.type === 'refused')),
  status: (expected, { explanation: { outcome } }) =>
    same('status', String(expected), statusText(outcome)),
  flag: (expected, { explanation }) =>
    same('flag', quoted(expected), quoted(explanation.outcome.flag)),
  listener: (expected, { explanation }) =>
    same('listener', expected, explanation.listener?.key ?? 'none'),
  gateway: (expected, { explanation }) => oneOf('gateway', expected, gatewaysOf(explanation)),
  virtualHost: (expected, { explanation: { virtualHost } }) => {
    const name = virtualHost?.name ?? 'none'
    // `shop.example.com` is enough where the port says nothing new.
    return expected === name.replace(/:\d+$/, '') ? [] : same('virtualHost', expected, name)
  },
  virtualService: (expected, { explanation }) => {
    const place = virtualServiceOf(explanation)
    const actual = place === null ? [] : [resourceName(place)]
    return oneOf('virtualService', expected, actual)
  },
  route: (expected, { explanation: { route } }) =>
    same('route', quoted(expected), route === null ? 'none' : quoted(route.name)),
  rule: (expected, { explanation: { route } }) => {
    const path = route?.place.path ?? 'none'
    return path.startsWith(`${expected}.`) ? [] : same('rule', expected, path)
  },
  cluster: (expected, { explanation: { destinations } }) => {
    const names = destinations.map(({ cluster }) => cluster)
    return same('cluster', expected, names.length === 0 ? 'none' : names.join(', '))
  },
  destinations: (expected, { explanation }, domain) => {
    const actual = actualDestinations(explanation.destinations)
    const namespace = explanation.route?.place.namespace ?? ''
    if (sameDestinations(expected, actual, { namespace, domain })) return []
    return [mismatch(['destinations'], expectedText(expected), actualText(actual))]
  },
  redirect: (expected, { explanation: { outcome } }) =>
    same('redirect', expected, outcome.location ?? 'no redirect'),
  directResponse: directResponseMismatches,
  rewrite: rewriteMismatches,
  headers: (expected, trace) => headerMismatches(expected, [], trace),
  withoutHeaders: (expected, trace) => headerMismatches({}, expected, trace),
  filters: (expected, { explanation: { route } }) => {
    const names = (route?.filters ?? []).map(({ name }) => name)
    return same('filters', listText(expected), listText(names))
  },
}

function same(field: string, expected: string, actual: string): readonly Mismatch[] {
  return expected === actual ? [] : [mismatch([field], expected, actual)]
}

/** `namespace/name`, or the name alone. */
function oneOf(field: string, expected: string, actual: readonly string[]): readonly Mismatch[] {
  const fits = actual.some((name) => name === expected || name.split('/')[1] === expected)
  return fits ? [] : [mismatch([field], expected, listText(actual))]
}

function listText(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ')
}

function statusText({ status, type }: Explanation['outcome']): string {
  if (status !== null) return String(status)
  return type === 'refused' ? 'no answer: the connection is refused' : 'that of the upstream'
}

function gatewaysOf({ tls, listener }: Explanation): readonly string[] {
  const chosen = (tls?.chains ?? []).filter((chain) => chain.chosen)
  if (chosen.length > 0) return chosen.map(({ gateway }) => gateway)
  return [...new Set((listener?.servers ?? []).map(({ gateway }) => gateway))]
}

function virtualServiceOf({ route }: Explanation): Place | null {
  return route !== null && route.place.kind === 'VirtualService' ? route.place : null
}
