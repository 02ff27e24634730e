import { Lexer } from 'yaml'

/** What the lexer says between the pieces of the text; it takes up none of it. */
const MARKS: ReadonlySet<string> = new Set(['\u0002', '\u0018', '\u001f'])
const CLOSING: ReadonlyMap<string, string> = new Map([
  ['[', ']'],
  ['{', '}'],
])

export interface OpenBracket {
  /** Index in the text. */
  readonly at: number
  readonly opening: string
  readonly closing: string
}

/** The innermost `[` or `{` that is open at index `end` of a YAML text, or null. */
export function openBracket(text: string, end: number): OpenBracket | null {
  const open: OpenBracket[] = []
  let at = 0
  for (const token of new Lexer().lex(text)) {
    if (at >= end) break
    if (MARKS.has(token)) continue
    const closing = CLOSING.get(token)
    if (closing !== undefined) open.push({ at, opening: token, closing })
    else if (token === open.at(-1)?.closing) open.pop()
    at += token.length
  }
  return open.at(-1) ?? null
}
