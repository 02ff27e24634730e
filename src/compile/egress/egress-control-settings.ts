/** `--egress-mode`, `--egress-unknown-clients` and `--egress-users`. */
export interface EgressControlSettings {
  readonly reportOnly: boolean
  readonly refuseUnknown: boolean
  /** `namespace/name` of a Secret, or null. */
  readonly users: string | null
}

export const NO_EGRESS_CONTROL: EgressControlSettings = {
  reportOnly: false,
  refuseUnknown: false,
  users: null,
}
