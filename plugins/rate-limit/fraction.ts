import type { Random } from '../../src/base/random.ts'
import type { Fields } from './fields.ts'

/** Envoy's RuntimeFractionalPercent as a share of requests; runtime keys have no effect. */
export class Fraction {
  /** 0 to 1. */
  readonly share: number

  constructor(share: number) {
    this.share = share
  }

  /** True for `share` of all calls; takes a random number only when both outcomes are possible. */
  draw(random: Random): boolean {
    if (this.share >= 1) return true
    return this.share > 0 && random() < this.share
  }
}

const DENOMINATORS = ['HUNDRED', 'TEN_THOUSAND', 'MILLION'] as const
const SIZES = { HUNDRED: 100, TEN_THOUSAND: 10_000, MILLION: 1_000_000 } as const

/** The fraction in field `name`, or null when absent. */
export function readFraction(fields: Fields, name: string): Fraction | null {
  const runtime = fields.object(name)
  if (runtime === null) return null
  const percent = runtime.object('defaultValue')
  if (percent === null) return new Fraction(0)
  const denominator = percent.enumeration('denominator', DENOMINATORS) ?? 'HUNDRED'
  const numerator = percent.integer('numerator', 0, 0xffffffff) ?? 0
  return new Fraction(numerator / SIZES[denominator])
}
