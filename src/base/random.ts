/** Uniform in [0, 1). Injected wherever chance decides, so that tests can seed it. */
export type Random = () => number

export const systemRandom: Random = Math.random
