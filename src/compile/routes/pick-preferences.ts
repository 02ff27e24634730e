import type { PickPreferences } from '../../clusters/pick.ts'
import type { HashKeyPlan } from '../../clusters/plan.ts'
import type { Destination, RetryPlan } from '../../routing/route.ts'

/** What the load balancers behind a rule have to know of it; null: nothing. */
export function pickPreferences(
  destinations: readonly Destination[],
  retry: RetryPlan | null,
): PickPreferences | null {
  const hashKeys = combinedHashKeys(destinations)
  const remoteRetries = retry !== null && retry.remoteLocalities
  return hashKeys === null && !remoteRetries ? null : { hashKeys, remoteRetries }
}

/**
 * What the request is hashed by when the weighted destinations of a rule name different keys: Istio
 * puts all of them on the route, where each that the request has counts. null: there is one key at
 * most, which the cluster knows itself.
 */
function combinedHashKeys(destinations: readonly Destination[]): readonly HashKeyPlan[] | null {
  const keys = new Map<string, HashKeyPlan>()
  for (const { cluster } of destinations) {
    if (cluster === null || !('key' in cluster.loadBalancer)) continue
    const { key } = cluster.loadBalancer
    keys.set(identity(key), key)
  }
  return keys.size < 2 ? null : [...keys.values()]
}

/** Cookies of one name are one key, whatever the attributes that they are made with. */
function identity(key: HashKeyPlan): string {
  return key.from === 'source-ip' ? key.from : `${key.from} ${key.name}`
}
