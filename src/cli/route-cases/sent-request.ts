import { isCredentialName } from '../../base/credential-name.ts'
import { fromBytes } from '../../base/latin1.ts'
import type { Decided, Trace } from '../../explain/decided.ts'
import { upstreamAuthority, upstreamHeaders } from '../../explain/upstream-headers.ts'
import type { Expectation } from './case-schema.ts'
import { mismatch, type Mismatch, quoted } from './mismatch.ts'

type Expected<K extends keyof Expectation> = NonNullable<Expectation[K]>

const NOT_FORWARDED = 'the request is not forwarded'

/** Path and Host as the upstream gets them. The path is compared with its query where one is expected. */
export function rewriteMismatches(
  { path, authority }: Expected<'rewrite'>,
  { explanation, decided }: Trace,
): readonly Mismatch[] {
  const sent = explanation.route?.forwardedAs ?? null
  if (sent === null || decided === null) {
    return [mismatch(['rewrite'], path ?? authority ?? '', NOT_FORWARDED)]
  }
  const found: Mismatch[] = []
  const target = path?.includes('?') ? sent.target : (sent.target.split('?', 1)[0] ?? '')
  if (path !== undefined && path !== target) found.push(mismatch(['rewrite', 'path'], path, target))
  if (authority === undefined) return found
  const wrong = destinationsOf(decided)
    .map((index) => upstreamAuthority(decided, index))
    .find((actual) => actual !== authority)
  if (wrong !== undefined) found.push(mismatch(['rewrite', 'authority'], authority, wrong))
  return found
}

/** What the gateway answers by itself. */
export function directResponseMismatches(
  { status, body }: Expected<'directResponse'>,
  { decided }: Trace,
): readonly Mismatch[] {
  const action = decided === null ? null : decided.route.action
  if (action === null || action.type !== 'direct-response') {
    return [mismatch(['directResponse'], body ?? String(status ?? ''), 'no direct response')]
  }
  const found: Mismatch[] = []
  if (status !== undefined && status !== action.status) {
    found.push(mismatch(['directResponse', 'status'], String(status), String(action.status)))
  }
  const actual = action.body.toString('utf8')
  if (body !== undefined && body !== actual) {
    found.push(mismatch(['directResponse', 'body'], quoted(body), quoted(actual)))
  }
  return found
}

/** Header fields of the upstream's request: they have to hold whichever destination of a split is picked. */
export function headerMismatches(
  present: Readonly<Record<string, string>>,
  absent: readonly string[],
  { decided, explanation }: Trace,
): readonly Mismatch[] {
  const wanted = [
    ...Object.entries(present).map(([name, value]) => ({ name, value, path: ['headers', name] })),
    ...absent.map((name, index) => ({ name, value: null, path: ['withoutHeaders', index] })),
  ]
  const forwarded = explanation.route?.forwardedAs ?? null
  return wanted.flatMap(({ name, value, path }) => {
    const expected = value === null ? `no ${name}` : valueText(name, value, 'this value')
    if (decided === null || forwarded === null) return [mismatch(path, expected, NOT_FORWARDED)]
    for (const index of destinationsOf(decided)) {
      const actual = sentHeader(decided, index, name.toLowerCase())
      if (actual !== value) {
        const text = actual === null ? 'not sent' : valueText(name, actual, 'another value')
        return [mismatch(path, expected, text + destinationText(decided, index))]
      }
    }
    return []
  })
}

function sentHeader(decided: Decided, index: number, name: string): string | null {
  if (name === 'host' || name === ':authority') return upstreamAuthority(decided, index)
  const value = upstreamHeaders(decided, index).combined(name)
  return value === null ? null : fromBytes(value)
}

/** What configuration sets may be a credential: logs of a build are no place for it. */
function valueText(name: string, value: string, instead: string): string {
  return isCredentialName(name) ? instead : quoted(value)
}

/** In a split, which part of it differs. */
function destinationText({ route: { action } }: Decided, index: number): string {
  if (action.type !== 'forward' || action.destinations.length === 1) return ''
  return ` to ${action.destinations[index]?.clusterName ?? ''}`
}

function destinationsOf({ route: { action } }: Decided): readonly number[] {
  return action.type === 'forward' ? action.destinations.map((_one, index) => index) : [0]
}
