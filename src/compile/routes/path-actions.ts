import type { HttpRouteSpec, RedirectSpec } from '../../config/kinds/virtual-service.ts'
import { PathRewrite } from '../../routing/path-rewrite.ts'
import { RedirectPlan } from '../../routing/redirect.ts'
import type { Findings, Place } from '../findings.ts'

const DEFAULT_REDIRECT_STATUS = 301

/** VirtualService rewrite of the path, or null when there is none; authority is not its business. */
export function pathRewrite(
  rewrite: HttpRouteSpec['rewrite'],
  place: Place,
  findings: Findings,
): PathRewrite | null {
  const regex = rewrite?.uriRegexRewrite
  if (regex !== undefined) {
    const compiled = PathRewrite.regex(regex.match ?? '', regex.rewrite ?? '')
    if (typeof compiled !== 'string') return compiled
    const path = [...place.path, 'rewrite', 'uriRegexRewrite']
    findings.report('error', 'rewrite-invalid', { resource: place.resource, path }, compiled)
    return null
  }
  const uri = rewrite?.uri
  return uri === undefined || uri === '' ? null : PathRewrite.literal(uri)
}

/** `listenerPort`: the Gateway server's number, which FROM_REQUEST_PORT means. */
export function redirectPlan(redirect: RedirectSpec, listenerPort: number): RedirectPlan {
  const { uri, prefixRewrite, authority, port, scheme } = redirect
  const fromRequest = redirect.derivePort === 'FROM_REQUEST_PORT'
  const code = redirect.redirectCode ?? 0
  return new RedirectPlan({
    status: code === 0 ? DEFAULT_REDIRECT_STATUS : code,
    uri: uri === undefined || uri === '' ? null : uri,
    prefixRewrite: prefixRewrite === undefined || prefixRewrite === '' ? null : prefixRewrite,
    authority: authority === undefined || authority === '' ? null : authority,
    port: fromRequest ? listenerPort : port === undefined || port === 0 ? null : port,
    derivePort: fromRequest ? null : (redirect.derivePort ?? null),
    scheme: scheme === 'http' || scheme === 'https' ? scheme : null,
  })
}
