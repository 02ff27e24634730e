import { RE2JS } from 're2js'

/** Longest pattern Istio admits (StringMatch.regex, uriRegexRewrite.match), in characters. */
export const MAX_REGEX_LENGTH = 1024

/** Why `pattern` is not an RE2 expression, or null when it is one. Length is the caller's business. */
export function re2Error(pattern: string): string | null {
  try {
    RE2JS.compile(pattern)
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Number of capturing groups of a pattern that re2Error finds nothing wrong with. */
export function re2Groups(pattern: string): number {
  return RE2JS.compile(pattern).groupCount()
}
