import type { Request } from '../http/request.ts'
import type { NoRoute } from '../proxy/decision.ts'
import { followsRedirects } from '../proxy/path-redirect.ts'
import { httpsLocation } from '../routing/redirect.ts'
import type { Route } from '../routing/route.ts'
import type { ExplainedDestination, ExplainedOutcome, Refusal } from './explanation.ts'

/** The request is not served. */
export function refused(
  refusal: Refusal,
  hints: readonly (string | null)[] = [],
): ExplainedOutcome {
  const { status, flag, reason } = refusal
  const answer = status === 0 ? 'refused' : `${status}${flag === '' ? '' : ` ${flag}`}`
  return {
    ok: false,
    type: 'refused',
    status: status === 0 ? null : status,
    flag,
    location: null,
    summary: `${answer}: ${reason}`,
    hints: hints.filter((hint) => hint !== null),
  }
}

/** What the gateway does where no route takes the request. */
export function outcomeWithoutRoute(
  decision: NoRoute,
  request: Request,
  hints: readonly (string | null)[],
): ExplainedOutcome {
  const { kind, status, flag } = decision
  const { authority } = request
  switch (kind) {
    case 'escaped-slashes': {
      if (!followsRedirects(request)) {
        const reason = 'the path holds escaped slashes, and gRPC clients follow no redirect'
        return refused({ status: 400, flag: '', reason })
      }
      const why = 'the path holds escaped slashes: ask again without them'
      return redirect(status, request.path + request.query, why)
    }
    case 'https-redirect':
      return redirect(status, httpsLocation(request), "the server's tls.httpsRedirect")
    case 'connect':
      return refused({ status, flag, reason: 'CONNECT is not served on a Gateway' })
    case 'foreign-upgrade':
      return refused({
        status,
        flag,
        reason: `no upgrade but websocket is served, ${request.upgrade} is asked for`,
      })
    case 'misdirected': {
      const reason = `${authority} belongs to another server of this port than the one the TLS server name chose`
      return refused({ status, flag, reason }, hints)
    }
    case 'unknown-host':
      return refused({ status, flag, reason: `no virtual host for ${authority}` }, hints)
    case 'no-rule':
      return refused({ status, flag, reason: `no rule for ${authority} matches` }, hints)
  }
}

function redirect(status: number, location: string, why: string): ExplainedOutcome {
  return {
    ok: true,
    type: 'redirect',
    status,
    flag: '',
    location,
    summary: `${status} to ${location} (${why})`,
    hints: [],
  }
}

/** What a route's action comes to. `gatewayPort` is what redirects derive ports from. */
export function outcomeOfRoute(
  route: Route,
  request: Request,
  gatewayPort: number,
  destinations: readonly ExplainedDestination[],
): ExplainedOutcome {
  const { action } = route
  switch (action.type) {
    case 'redirect': {
      const { status } = action.redirect
      const location = action.redirect.location(request, gatewayPort, route.match)
      return redirect(status, location, 'redirect of the rule')
    }
    case 'direct-response': {
      const { status, body } = action
      const summary = `${status} with a body of ${body.length} bytes (directResponse of the rule)`
      return {
        ok: true,
        type: 'direct-response',
        status,
        flag: '',
        location: null,
        summary,
        hints: [],
      }
    }
    case 'passthrough':
      return served(
        'passthrough',
        `forwarded to ${request.authority} itself (${action.declared?.clusterName ?? 'PassthroughCluster'})`,
      )
    case 'black-hole': {
      const reason = `egress to ${request.authority} is blocked: no Service, ServiceEntry or VirtualService declares this host on port ${gatewayPort}, and outboundTrafficPolicy is REGISTRY_ONLY`
      return refused({ status: 502, flag: '', reason })
    }
    case 'forward':
      return outcomeOfDestinations('forward', destinations)
  }
}

export function served(type: 'passthrough' | 'tunnel', summary: string): ExplainedOutcome {
  return { ok: true, type, status: null, flag: '', location: null, summary, hints: [] }
}

const VERBS = { forward: 'forwarded to', tunnel: 'tunnel to', tcp: 'TCP connection to' } as const

/** Forwarded, where at least one destination takes it; refused where none does. */
export function outcomeOfDestinations(
  type: 'forward' | 'tunnel' | 'tcp',
  destinations: readonly ExplainedDestination[],
): ExplainedOutcome {
  const failing = destinations.flatMap(({ cluster, percent, refusal }) =>
    refusal === null ? [] : [{ cluster, percent, refusal }],
  )
  const [first] = failing
  if (first !== undefined && failing.length === destinations.length) {
    const { status, flag, reason } = first.refusal
    return refused({ status, flag, reason: `${first.cluster}: ${reason}` })
  }
  const parts = destinations.map(({ cluster, percent, refusal }) => {
    const share = destinations.length === 1 ? '' : `${percent} % `
    const answer = refusal === null ? '' : ` (${refusal.status} ${refusal.flag})`
    return `${share}${cluster}${answer}`
  })
  return {
    ok: true,
    type,
    status: null,
    flag: '',
    location: null,
    summary: `${VERBS[type]} ${parts.join(', ')}`,
    hints: failing.map(
      ({ cluster, percent, refusal }) =>
        `${percent} % get ${refusal.status} ${refusal.flag} from ${cluster}: ${refusal.reason}`,
    ),
  }
}
