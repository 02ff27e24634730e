import { IndentWalk } from './indent-walk.ts'

/** A likely reason why a document does not parse. Lines are 1-based within the document. */
export interface Slip {
  readonly code: string
  readonly line: number
  readonly column: number
  readonly message: string
  readonly hint: string | null
}

/** Slips reported per document: the first few explain the rest. */
const MAX_SLIPS = 20
/** Lines longer than this are data, not something typed. */
const MAX_LINE = 2000

const SHELL_LINE =
  /^(?:[$>]\s+\S|(?:[$#]\s*)?(?:curl|wget|kubectl|istioctl|helm|docker|touch|cat|echo|sudo|export|cd|vim?|tidegate)\s+[^:\s]|\/\s+[#$]\s)/
const MISSING_COLON =
  /^((?:-\s+)*)([A-Za-z][\w-]*)[ \t]+("[^"]*"|'[^']*'|[\w.*/-]+)\s*(?:#.*|\/\/.*)?$/
const MISSING_SPACE = /^((?:-\s+)*)([A-Za-z][\w-]*):([^\s:/][^\s:]*)\s*(?:#.*)?$/
const SLASH_COMMENT = /(?:^|[ \t])\/\//
const BLOCK_SCALAR = /(?:^|[\s:-])[|>][+-]?\d?[+-]?\s*(?:#.*)?$/

/**
 * Reads a broken document line by line for the slips people make: tabs, `//` comments, pasted shell
 * lines, a forgotten colon or space, a field one column off its siblings. `quoteText` false keeps
 * what the lines say out of the messages (Secrets).
 */
export function findSlips(text: string, options: { quoteText: boolean }): Slip[] {
  const slips: Slip[] = []
  const indents = new IndentWalk()
  const tabs = { count: 0, line: 0, column: 0 }
  let scalarIndent: number | null = null
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (slips.length >= MAX_SLIPS) break
    const lead = /^[ \t]*/.exec(line)?.[0] ?? ''
    const content = line.slice(lead.length)
    if (content === '' || content.startsWith('#') || line.length > MAX_LINE) continue
    const indent = lead.replaceAll('\t', '  ').length
    if (scalarIndent !== null && indent > scalarIndent) continue
    scalarIndent = null
    const number = index + 1
    const tab = lead.indexOf('\t')
    if (tab >= 0 && ++tabs.count === 1) Object.assign(tabs, { line: number, column: tab + 1 })
    const slip = contentSlip(content, options.quoteText) ?? indents.visit(content, indent, number)
    if (slip !== null) {
      const told = options.quoteText || slip.code !== 'bad-indent' ? slip : UNQUOTED_INDENT
      slips.push({ ...told, line: number, column: lead.length + 1 })
    }
    if (BLOCK_SCALAR.test(content)) scalarIndent = indent
  }
  if (tabs.count > 0) slips.push(tabSlip(tabs))
  return slips.sort((left, right) => left.line - right.line)
}

/** Whether a slip like `name:http` explains a parse error near it; alone it may be meant. */
export function findMissingSpace(text: string, nearLine: number): Slip | null {
  const lines = text.split(/\r?\n/)
  for (let number = nearLine; number >= Math.max(1, nearLine - 2); number--) {
    const line = lines[number - 1] ?? ''
    const match = MISSING_SPACE.exec(line.trimStart())
    if (match === null) continue
    return {
      code: 'missing-space',
      line: number,
      column: line.length - line.trimStart().length + 1,
      message: `there is no space after the colon of \`${match[2]}\``,
      hint: `write \`${match[2]}: \` and then the value`,
    }
  }
  return null
}

const UNQUOTED_INDENT: LineSlip = {
  code: 'bad-indent',
  message: 'the line is not indented like its siblings',
  hint: 'line it up with the keys around it',
}

type LineSlip = Pick<Slip, 'code' | 'message' | 'hint'>

function contentSlip(content: string, quoteText: boolean): LineSlip | null {
  if (SHELL_LINE.test(content)) {
    return {
      code: 'shell-line',
      message: 'this looks like a shell command, not like YAML',
      hint: 'delete the line, or start it with `#`',
    }
  }
  const colon = MISSING_COLON.exec(content)
  if (colon !== null) {
    const [, dashes = '', key = '', value = ''] = colon
    const fixed = quoteText ? `${key}: ${value}` : 'key: value'
    return {
      code: 'missing-colon',
      message: quoteText ? `there is no colon after \`${key}\`` : 'there is no colon after the key',
      hint: `write \`${dashes === '' ? '' : '- '}${fixed}\``,
    }
  }
  if (SLASH_COMMENT.test(withoutQuoted(content))) {
    return {
      code: 'slash-comment',
      message: '`//` does not start a comment in YAML',
      hint: 'start the comment with `#`',
    }
  }
  return null
}

function tabSlip(tabs: { line: number; column: number; count: number }): Slip {
  const more = tabs.count === 1 ? '' : ` (so are ${tabs.count - 1} more lines of this document)`
  return {
    code: 'tab-indent',
    line: tabs.line,
    column: tabs.column,
    message: `the line is indented with a tab${more}; YAML allows only spaces`,
    hint: 'replace each tab with two spaces',
  }
}

function withoutQuoted(content: string): string {
  return content.replace(/"(?:[^"\\]|\\.)*"|'[^']*'/g, '""').replace(/(?:^|\s)#.*$/, '')
}
