const UNIT_MS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3, // U+00B5
  μs: 1e-3, // U+03BC
  ns: 1e-6,
}

const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y

/** The longest span a signed 64-bit count of nanoseconds holds, about 292 years. */
const MAX_MS = 9_223_372_036_854

/** Longer text is no duration anybody wrote. */
const MAX_LENGTH = 100

/**
 * Milliseconds (with fractions down to a nanosecond) of a protobuf JSON duration (`1.5s`) or of the
 * longer form Istio accepts (`1h2m3s`, `100ms`, `0`). `null` when the text is neither, is negative
 * or is longer than 292 years.
 */
export function parseDurationMs(text: string): number | null {
  if (text === '0') return 0
  if (text.length === 0 || text.length > MAX_LENGTH) return null
  let total = 0
  PART.lastIndex = 0
  while (PART.lastIndex < text.length) {
    const part = PART.exec(text)
    if (part === null) return null
    total += Number(part[1]) * (UNIT_MS[part[2] ?? ''] ?? Number.NaN)
  }
  if (!(total <= MAX_MS)) return null
  return Math.round(total * 1e6) / 1e6
}
