import type { KindRules } from './rules.ts'
import { validateRateLimitPolicy } from './rate-limit-policy-rules.ts'
import { rateLimitPolicySchema } from './rate-limit-policy.ts'

/** The API group of the gateway's own kinds, and its one version so far. */
export const OWN_GROUP = 'tidegate.dev'
export const OWN_VERSION = 'v1alpha1'

/** Kinds that Istio has not. */
export const ownKinds: ReadonlyMap<string, KindRules> = new Map<string, KindRules>([
  ['RateLimitPolicy', { schema: rateLimitPolicySchema, validate: validateRateLimitPolicy }],
])
