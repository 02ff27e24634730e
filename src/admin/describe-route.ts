import { isCredentialName } from '../base/credential-name.ts'
import type { FieldCondition } from '../routing/field-condition.ts'
import type { HeaderMutation } from '../routing/header-mutation.ts'
import type { MirrorPlan } from '../routing/mirror-plan.ts'
import type { QueryCondition } from '../routing/query-condition.ts'
import type { Route, RouteAction } from '../routing/route.ts'
import type { RouteMatch } from '../routing/route-match.ts'
import type { StringMatcher } from '../routing/string-match.ts'

/** A described part of the configuration: only what is picked here can be shown. */
export type Description = Readonly<Record<string, unknown>>

export function describeRoute(route: Route): Description {
  const { origin } = route
  return {
    name: route.name,
    origin: {
      kind: origin.kind,
      namespace: origin.namespace,
      name: origin.name,
      path: origin.path,
      file: origin.file,
      line: origin.line,
    },
    match: route.match === null ? null : describeMatch(route.match),
    action: describeAction(route.action),
    requestHeaders: describeHeaders(route.requestHeaders),
    responseHeaders: describeHeaders(route.responseHeaders),
    filters: route.filters.map(({ name }) => name),
    filterSettings: route.filters.map((filter) => filter.describe?.() ?? null),
  }
}

function describeMatch(match: RouteMatch): Description {
  return {
    uri: describeString(match.uri),
    scheme: describeString(match.scheme),
    method: describeString(match.method),
    authority: describeString(match.authority),
    headers: match.fields.filter(({ inverted }) => !inverted).map(describeNamed),
    withoutHeaders: match.fields.filter(({ inverted }) => inverted).map(describeNamed),
    queryParams: match.queryParams.map(describeNamed),
  }
}

function describeString(matcher: StringMatcher | null): Description | null {
  return matcher === null ? null : { [matcher.kind]: matcher.text }
}

function describeNamed({ name, matcher }: FieldCondition | QueryCondition): Description {
  const secret = isCredentialName(name) && matcher.kind !== 'present'
  return { name, match: secret ? { [matcher.kind]: '[redacted]' } : describeString(matcher) }
}

/** Names only: values that configuration sets may be credentials. */
function describeHeaders(mutation: HeaderMutation | null): Description | null {
  if (mutation === null) return null
  return {
    remove: mutation.removes,
    set: mutation.sets.map(({ name }) => name),
    add: mutation.adds.map(({ name }) => name),
  }
}

function describeMirror(mirror: MirrorPlan): Description {
  return {
    cluster: mirror.clusterName,
    found: mirror.cluster !== null,
    percent: mirror.chance * 100,
    suffixesHost: mirror.suffixesHost,
  }
}

function describeAction(action: RouteAction): Description {
  switch (action.type) {
    case 'forward':
      return {
        type: action.type,
        destinations: action.destinations.map((destination) => ({
          cluster: destination.clusterName,
          found: destination.cluster !== null,
          weight: destination.weight,
          requestHeaders: describeHeaders(destination.requestHeaders),
          responseHeaders: describeHeaders(destination.responseHeaders),
        })),
        rewrite: action.rewrite === null ? null : { path: action.rewrite.text },
        rewriteAuthority: action.rewriteAuthority,
        timeoutMs: action.timeoutMs,
        retry:
          action.retry === null
            ? null
            : {
                attempts: action.retry.attempts,
                perTryTimeoutMs: action.retry.perTryTimeoutMs,
                on: [...action.retry.on],
                statuses: [...action.retry.statuses],
                backoffMs: action.retry.backoffMs,
                anyMethod: action.retry.anyMethod,
                avoidsTried: action.retry.avoidsTried,
                remoteLocalities: action.retry.remoteLocalities,
              },
        mirrors: action.mirrors === null ? null : action.mirrors.map(describeMirror),
      }
    case 'redirect': {
      const { status, uri, prefixRewrite, authority, port, derivePort, scheme } = action.redirect
      return { type: action.type, status, uri, prefixRewrite, authority, port, derivePort, scheme }
    }
    case 'direct-response':
      return { type: action.type, status: action.status, bodyLength: action.body.length }
    case 'passthrough':
    case 'black-hole':
      return { type: action.type }
  }
}
