/** One command operator of an Envoy format string: `%REQ(X-A?X-B):32%`. */
export interface Operator {
  /** `REQ` */
  readonly name: string
  /** Text between the parentheses, or null. */
  readonly argument: string | null
  /** Characters to keep, or null. */
  readonly maxLength: number | null
  /** As written, for messages. */
  readonly text: string
}

/** The argument may hold percent signs: START_TIME takes a strftime format. */
const OPERATOR = /%([A-Z][A-Z0-9_]*)(?:\(([^)]*)\))?(?::(\d{1,6}))?%/y

/**
 * Splits a format string into literal text and operators; `%%` is a literal percent sign. A string
 * is the reason why it cannot be: a percent sign that begins no operator.
 */
export function parseFormatString(format: string): readonly (string | Operator)[] | string {
  const parts: (string | Operator)[] = []
  let literal = ''
  let at = 0
  while (at < format.length) {
    const percent = format.indexOf('%', at)
    if (percent === -1) break
    literal += format.slice(at, percent)
    if (format[percent + 1] === '%') {
      literal += '%'
      at = percent + 2
      continue
    }
    OPERATOR.lastIndex = percent
    const match = OPERATOR.exec(format)
    if (match === null) return `"%" at position ${percent + 1} begins no command operator`
    if (literal !== '') parts.push(literal)
    literal = ''
    parts.push({
      name: match[1]!,
      argument: match[2] ?? null,
      maxLength: match[3] === undefined ? null : Number(match[3]),
      text: match[0],
    })
    at = percent + match[0].length
  }
  literal += format.slice(at)
  if (literal !== '') parts.push(literal)
  return parts
}
