/** How a kind's rules judge. */
export interface ValidationOptions {
  /** Istio's own behaviour where Tidegate differs on purpose. */
  readonly compat: boolean
}
