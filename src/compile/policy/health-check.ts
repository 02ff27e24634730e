import { parseDurationMs } from '../../base/duration.ts'
import type { HealthCheckPlan } from '../../clusters/health/plan.ts'
import type { Resource } from '../../config/resource.ts'
import type { Findings } from '../findings.ts'
import type { MeshService } from '../registry/mesh-service.ts'
import type { MergedRule } from './destination-rules.ts'

/** Annotation of a DestinationRule, Service or ServiceEntry: how its endpoints are asked. */
export const HEALTH_CHECK = 'tidegate.dev/health-check'

const DEFAULT_INTERVAL_MS = 10_000
const DEFAULT_TIMEOUT_MS = 1_000
const DEFAULT_HEALTHY = 2
const DEFAULT_UNHEALTHY = 3
/** More often would be a load of its own. */
const MIN_INTERVAL_MS = 100
const MAX_TIMER_MS = 2 ** 31 - 1
const MAX_THRESHOLD = 1_000
const MAX_PORT = 65_535
/** Longest service name a check can carry. */
const MAX_SERVICE_LENGTH = 127
const EXAMPLE = 'http path=/healthz interval=10s timeout=1s healthy=2 unhealthy=3'

const COMMON_OPTIONS = ['interval', 'timeout', 'healthy', 'unhealthy', 'port']
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  http: ['path', 'host', 'status', ...COMMON_OPTIONS],
  tcp: COMMON_OPTIONS,
  grpc: ['service', 'host', ...COMMON_OPTIONS],
}

/**
 * The annotation of the DestinationRule that applies, else of the Service or ServiceEntry; `off`
 * there takes back what the Service says. null: no checks.
 */
export function healthCheckPlan(
  rule: MergedRule | null,
  service: MeshService,
  http2: boolean,
  findings: Findings,
): HealthCheckPlan | null {
  const resources: readonly (Resource<unknown> | null)[] = [
    ...(rule?.sources ?? []),
    service.source,
  ]
  for (const resource of resources) {
    const text = resource?.metadata.annotations[HEALTH_CHECK]
    if (resource === null || text === undefined) continue
    if (text.trim() === 'off') return null
    const parsed = parseHealthCheck(text, service.host, http2)
    if (typeof parsed !== 'string') return parsed
    findings.report(
      'warning',
      'health-check-invalid',
      { resource, path: ['metadata', 'annotations', HEALTH_CHECK] },
      `${HEALTH_CHECK} cannot be read: ${parsed}. The endpoints of ${service.host} are not checked`,
      `write for example ${EXAMPLE}`,
    )
    return null
  }
  return null
}

/** The plan, or what is wrong with the text. `host` is the service's, for requests that name none. */
export function parseHealthCheck(
  text: string,
  host: string,
  http2: boolean,
): HealthCheckPlan | string {
  const [kind = '', ...words] = text.trim().split(/\s+/)
  const known = OPTIONS[kind]
  if (known === undefined) return `the kind is "${kind}", not http, tcp, grpc or off`
  const given = new Map<string, string>()
  for (const word of words) {
    const equals = word.indexOf('=')
    const name = word.slice(0, Math.max(equals, 0))
    if (!known.includes(name)) return `"${word}" is none of ${known.join('=, ')}=`
    if (given.has(name)) return `${name} is given twice`
    given.set(name, word.slice(equals + 1))
  }
  const reader = new OptionReader(given)
  const plan = {
    question: readQuestion(kind, reader, host, http2),
    intervalMs: reader.duration('interval', DEFAULT_INTERVAL_MS, MIN_INTERVAL_MS),
    timeoutMs: reader.duration('timeout', DEFAULT_TIMEOUT_MS, 1),
    healthyThreshold: reader.count('healthy', DEFAULT_HEALTHY, MAX_THRESHOLD),
    unhealthyThreshold: reader.count('unhealthy', DEFAULT_UNHEALTHY, MAX_THRESHOLD),
    port: given.has('port') ? reader.count('port', 0, MAX_PORT) : null,
  }
  return reader.problem ?? plan
}

function readQuestion(
  kind: string,
  reader: OptionReader,
  host: string,
  http2: boolean,
): HealthCheckPlan['question'] {
  switch (kind) {
    case 'http':
      return {
        kind,
        path: reader.path(),
        host: reader.text('host', host),
        statuses: reader.statuses(),
        http2,
      }
    case 'grpc':
      return { kind, service: reader.service(), host: reader.text('host', host) }
    default:
      return { kind: 'tcp' }
  }
}

/** Reads options one by one and keeps the first thing that is wrong. */
class OptionReader {
  problem: string | null
  readonly #given: ReadonlyMap<string, string>

  constructor(given: ReadonlyMap<string, string>) {
    this.problem = null
    this.#given = given
  }

  text(name: string, otherwise: string): string {
    const text = this.#given.get(name)
    if (text === undefined) return otherwise
    if (!/^[\x21-\x7e]+$/.test(text)) this.#refuse(`${name}=${text} is empty or not plain ASCII`)
    return text
  }

  path(): string {
    const path = this.text('path', '/')
    if (!path.startsWith('/') || path.includes('#')) this.#refuse(`path=${path} is no path`)
    return path
  }

  service(): string {
    const service = this.text('service', '')
    if (service.length > MAX_SERVICE_LENGTH) this.#refuse('service is longer than 127 letters')
    return service
  }

  duration(name: string, otherwise: number, least: number): number {
    const text = this.#given.get(name)
    if (text === undefined) return otherwise
    const ms = parseDurationMs(text)
    if (ms === null) this.#refuse(`${name}=${text} is no duration such as 10s`)
    else if (ms < least) this.#refuse(`${name} must be at least ${least}ms`)
    return Math.min(ms ?? otherwise, MAX_TIMER_MS)
  }

  count(name: string, otherwise: number, most: number): number {
    const text = this.#given.get(name)
    if (text === undefined) return otherwise
    const count = /^\d{1,5}$/.test(text) ? Number(text) : 0
    if (count < 1 || count > most) this.#refuse(`${name}=${text} is no number from 1 to ${most}`)
    return count
  }

  /** `200-299` or `200,204,301-302`. */
  statuses(): readonly (readonly [number, number])[] {
    const text = this.text('status', '200-299')
    const ranges: (readonly [number, number])[] = []
    for (const part of text.split(',')) {
      const match = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(part)
      const from = Number(match?.[1])
      const to = Number(match?.[2] ?? match?.[1])
      if (match === null || from > to) this.#refuse(`status=${text} is no list such as 200-299,401`)
      ranges.push([from, to])
    }
    return ranges
  }

  #refuse(problem: string): void {
    this.problem ??= problem
  }
}
