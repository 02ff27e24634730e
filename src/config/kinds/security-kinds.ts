import { validateRequestAuthentication } from './request-authentication-rules.ts'
import { requestAuthenticationSchema } from './request-authentication.ts'
import type { KindRules } from './rules.ts'

/** The API group of Istio's security kinds, and its versions. */
export const SECURITY_GROUP = 'security.istio.io'
export const SECURITY_VERSIONS: ReadonlySet<string> = new Set(['v1', 'v1beta1'])

/** The kinds of security.istio.io that are enforced here; the others are skipped with a warning. */
export const securityKinds: ReadonlyMap<string, KindRules> = new Map<string, KindRules>([
  [
    'RequestAuthentication',
    { schema: requestAuthenticationSchema, validate: validateRequestAuthentication },
  ],
])
