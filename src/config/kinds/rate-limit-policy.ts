import {
  boolean,
  duration,
  type Infer,
  integer,
  list,
  map,
  object,
  oneOf,
  string,
} from '../schema.ts'

/**
 * One value of a request. Without exact, prefix or regex it has to be there; `invert` turns the
 * condition round; `distinct` counts every value for itself.
 */
const valueCondition = object({
  exact: string,
  prefix: string,
  regex: string,
  invert: boolean,
  distinct: boolean,
})

/** Requests that do not fit wait until they do. */
const queue = object({ maxWait: duration, maxRequests: integer })

const algorithm = oneOf('gcra', 'fixedWindow', 'slidingWindow')

/** RateLimitPolicy (tidegate.dev/v1alpha1): limits on the routes of one target. */
export const rateLimitPolicySchema = object({
  targetRef: object({
    group: string,
    kind: oneOf('Gateway', 'VirtualService', 'ServiceEntry'),
    name: string,
    sectionName: string,
  }),
  algorithm,
  onFailure: oneOf('local', 'allow', 'deny'),
  timeout: duration,
  response: object({
    headers: oneOf('draft-03', 'ietf', 'none'),
    problemJson: boolean,
    ruleHeader: boolean,
  }),
  upstream: object({ obey: boolean, maxDelay: duration, queue }),
  rules: list(
    object({
      name: string,
      match: object({
        headers: map(valueCondition),
        queryParams: map(valueCondition),
        method: valueCondition,
        path: valueCondition,
        source: object({
          cidrs: list(string),
          invert: boolean,
          distinct: boolean,
          ipv4PrefixLength: integer,
          ipv6PrefixLength: integer,
        }),
        claims: map(valueCondition),
      }),
      limits: list(
        object({
          requests: integer,
          per: duration,
          burst: integer,
          algorithm,
          lease: object({ maximum: integer }),
        }),
      ),
      cost: object({ number: integer, header: string, maximum: integer }),
      shadow: boolean,
      queue,
    }),
  ),
})

export type RateLimitPolicySpec = Infer<typeof rateLimitPolicySchema>
export type RateLimitRuleSpec = NonNullable<RateLimitPolicySpec['rules']>[number]
export type QueueSpec = Infer<typeof queue>
export type ValueConditionSpec = Infer<typeof valueCondition>
