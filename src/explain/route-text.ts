import type {
  ExplainedDestination,
  ExplainedEndpoint,
  ExplainedHeaders,
  ExplainedRoute,
  Place,
} from './explanation.ts'
import { resourceName } from './resource-places.ts'
import { type Line, line, more } from './text-line.ts'

/** What the winning rule does, besides where it leads. */
export function routeLines(route: ExplainedRoute): readonly Line[] {
  const { forwardedAs, timeoutMs, retry, filters, features } = route
  const lines: Line[] = [line('action', route.action)]
  for (const { name, settings } of filters) {
    const told = settings === null ? '' : `  ${compact(settings)}`
    lines.push(more('filter', `${name}${told}`))
  }
  lines.push(...headerLines('request', route.requestHeaders))
  lines.push(...headerLines('response', route.responseHeaders))
  if (forwardedAs !== null) {
    lines.push(more('sent as', `${forwardedAs.target}  host ${forwardedAs.authority}`))
    lines.push(more('timeout', timeoutMs === 0 ? 'none' : `${timeoutMs} ms`))
  }
  if (retry !== null && retry.attempts > 0) {
    const { attempts, perTryTimeoutMs, on, statuses } = retry
    const each = perTryTimeoutMs === 0 ? '' : `, ${perTryTimeoutMs} ms each`
    const when = [...on, ...statuses.map(String)].join(', ')
    lines.push(more('retries', `${attempts} more${each}, on ${when}`))
  }
  for (const [name, value] of Object.entries(features)) {
    lines.push(more(name, compact(value)))
  }
  return lines
}

/** A destination with its cluster and endpoints. */
export function destinationLines(
  destination: ExplainedDestination,
  live: boolean,
): readonly Line[] {
  const { cluster, percent, details, refusal } = destination
  const lines: Line[] = [line('destination', `${percent} %  ${cluster}`)]
  if (refusal !== null) {
    lines.push(more('', `${refusal.status} ${refusal.flag}: ${refusal.reason}`))
  }
  lines.push(...headerLines('request', destination.requestHeaders))
  lines.push(...headerLines('response', destination.responseHeaders))
  if (details === null) return lines
  const { protocol, loadBalancer, tls, discovery, outlierDetection, panic } = details
  const parts = [protocol, loadBalancer, `TLS ${tls}`, `endpoints ${discovery}`]
  if (outlierDetection) parts.push('outlier detection')
  if (panic) parts.push('panic: ejected endpoints are used too')
  lines.push(more('cluster', parts.join('  ')))
  for (const place of details.destinationRules) lines.push(more('rule', ruleText(place)))
  for (const failure of details.dnsFailures) lines.push(more('DNS', failure))
  for (const endpoint of details.endpoints.slice(0, MAX_ENDPOINTS)) {
    lines.push(more('endpoint', endpointText(endpoint, live)))
  }
  const left = details.endpoints.length - MAX_ENDPOINTS
  if (left > 0) lines.push(more('', `and ${left} more endpoints`))
  return lines
}

/** JSON has them all. */
const MAX_ENDPOINTS = 20

function ruleText(place: Place): string {
  const where = place.file === null ? '' : ` (${place.file}:${place.line ?? 1})`
  return `${place.kind} ${resourceName(place)} ${place.path}${where}`
}

function endpointText(
  { address, weight, locality, priority, health, returnsInMs }: ExplainedEndpoint,
  live: boolean,
): string {
  const state =
    health === 'ejected' ? `EJECTED, may return in ${Math.ceil(returnsInMs / 1000)} s` : health
  const parts = [address]
  if (live) parts.push(state)
  if (weight !== 1) parts.push(`weight ${weight}`)
  if (locality !== '') parts.push(locality)
  if (priority > 0) parts.push(`failover level ${priority}`)
  return parts.join('  ')
}

function headerLines(direction: string, headers: ExplainedHeaders | null): readonly Line[] {
  if (headers === null) return []
  const parts = [
    ...headers.remove.map((name) => `removes ${name}`),
    ...headers.set.map((name) => `sets ${name}`),
    ...headers.add.map((name) => `adds ${name}`),
  ]
  return [more('headers', `${direction}: ${parts.join(', ')}`)]
}

/** What is not set says nothing. */
function compact(settings: unknown): string {
  return JSON.stringify(settings, (_name, value: unknown) => (value === null ? undefined : value))
}
