import { type RE2JS } from 're2js'
import { encodeUnsafe, fromBytes, isAscii, toBytes } from '../base/latin1.ts'
import { compileRe2, MAX_PATTERN_LENGTH } from './linear-regex.ts'
import type { RouteMatch } from './route-match.ts'

/**
 * Matches replaced in one path; what stands behind the last is kept. Each search is linear, but an
 * expression can make every search read to the end: the product has to be bounded.
 */
export const MAX_REPLACEMENTS = 128

/** Istio HTTPRewrite.uri or uriRegexRewrite. The query is never touched. */
export class PathRewrite {
  /** What configuration says, for people. */
  readonly text: string
  readonly #uri: string
  readonly #pattern: RE2JS | null
  readonly #template: RewriteTemplate | null

  private constructor(
    text: string,
    uri: string,
    pattern: RE2JS | null,
    template: RewriteTemplate | null,
  ) {
    this.text = text
    this.#uri = uri
    this.#pattern = pattern
    this.#template = template
  }

  /** `rewrite.uri`: what it replaces depends on how the route matched. */
  static literal(uri: string): PathRewrite {
    return new PathRewrite(uri, encodeUnsafe(toBytes(uri)), null, null)
  }

  /**
   * `rewrite.uriRegexRewrite`: every match of the RE2 expression is replaced by `rewrite`, in which
   * `\0` to `\9` stand for the match and its groups and `\\` for a backslash. A string is the
   * reason why it cannot be compiled.
   */
  static regex(match: string, rewrite: string): PathRewrite | string {
    if (match === '' || rewrite === '') return 'uriRegexRewrite needs both match and rewrite'
    if (match.length > MAX_PATTERN_LENGTH) {
      return `regex is too large, max length allowed is ${MAX_PATTERN_LENGTH}`
    }
    const pattern = compileRe2(match)
    if (typeof pattern === 'string') return pattern
    const template = parseTemplate(rewrite, pattern.groupCount())
    if (typeof template === 'string') return template
    return new PathRewrite(`${match} -> ${rewrite}`, '', pattern, template)
  }

  /**
   * The path to send upstream. `match` is the route's (null: every request, as prefix `/`).
   * Prefix: the matched text is replaced, without slash repair. Exact and regex: the whole path is.
   * A result that is no path is given a leading slash; `*` and '' (CONNECT) stay.
   */
  apply(path: string, match: RouteMatch | null): string {
    if (path.charCodeAt(0) !== SLASH) return path
    const rewritten =
      this.#pattern === null
        ? this.#replaceMatched(path, match)
        : this.#replaceAll(path, this.#pattern, this.#template!)
    return rewritten.charCodeAt(0) === SLASH ? rewritten : `/${rewritten}`
  }

  #replaceMatched(path: string, match: RouteMatch | null): string {
    if (match === null) return this.#uri + path.slice(1)
    if (match.kind === 'exact' || match.kind === 'regex') return this.#uri
    return this.#uri + path.slice(match.prefixLength)
  }

  #replaceAll(path: string, pattern: RE2JS, template: RewriteTemplate): string {
    const text = fromBytes(path)
    const matcher = pattern.matcher(text)
    let result = ''
    let copied = 0
    let lastEnd = -1
    for (let count = 0; count < MAX_REPLACEMENTS && matcher.find(); count++) {
      const start = matcher.start()
      const end = matcher.end()
      // RE2's GlobalReplace: no empty match right behind another match.
      if (start === end && start === lastEnd) continue
      result += text.slice(copied, start)
      for (let i = 0; i < template.length; i++) {
        const step = template[i]!
        result += typeof step === 'string' ? step : (matcher.group(step) ?? '')
      }
      copied = end
      lastEnd = end
    }
    if (lastEnd === -1) return path
    result += text.slice(copied)
    return isAscii(result) ? result : encodeUnsafe(toBytes(result))
  }
}

const SLASH = 0x2f

/** Literal text and group numbers. */
type RewriteTemplate = readonly (string | number)[]

function parseTemplate(rewrite: string, groups: number): RewriteTemplate | string {
  const template: (string | number)[] = []
  let literal = ''
  for (let i = 0; i < rewrite.length; i++) {
    if (rewrite[i] !== '\\') {
      literal += rewrite[i]
      continue
    }
    const next = rewrite[++i] ?? ''
    if (next === '\\') literal += next
    else if (/^\d$/.test(next)) {
      if (Number(next) > groups) return `rewrite refers to group ${next}, the regex has ${groups}`
      template.push(encodeUnsafe(toBytes(literal)), Number(next))
      literal = ''
    } else return 'a backslash in rewrite must be followed by a digit or a backslash'
  }
  template.push(encodeUnsafe(toBytes(literal)))
  return template
}
