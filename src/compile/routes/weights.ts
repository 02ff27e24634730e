/** One entry of a destination list that gets a share. */
export interface Weighted<T> {
  readonly item: T
  readonly weight: number
  /** Its place in the list as written. */
  readonly index: number
}

/**
 * A single destination gets everything, whatever its weight says; of several, those without weight
 * or with 0 get nothing.
 */
export function weighted<T extends { readonly weight?: number }>(
  items: readonly T[],
): readonly Weighted<T>[] {
  const [only] = items
  if (items.length === 1 && only !== undefined) return [{ item: only, weight: 1, index: 0 }]
  return items
    .map((item, index) => ({ item, weight: item.weight ?? 0, index }))
    .filter(({ weight }) => weight > 0)
}
