import { Lexer, LineCounter, parseDocument as parseYaml, type YAMLError } from 'yaml'
import { splitDocuments, type DocumentText } from './document-text.ts'
import { NodeReader, type NodeFinding } from './node-value.ts'
import { openBracket, type OpenBracket } from './open-bracket.ts'
import { columnOf, lineOf, type PositionTree } from './position-tree.ts'
import { type Problem, unplacedProblem } from './problems.ts'
import { findMissingSpace, findSlips } from './syntax-slips.ts'

/** The largest file that is read. */
export const MAX_FILE_BYTES = 32 * 1024 * 1024
/** The largest single document. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
/** Keys and values of one document: a node costs the parser about a kilobyte. */
const MAX_SCALARS = 400_000
/** Lexical tokens of one document: bounds what collections without scalars cost. */
const MAX_TOKENS = 2_000_000
/** The lexer's mark before each scalar. */
const SCALAR_TOKEN = '\u001F'
/** Smaller documents are not counted: they cannot cost much. */
const COUNT_TOKENS_FROM = 512 * 1024
/** Parser complaints passed on when no likelier cause was found. */
const MAX_SYNTAX_ERRORS = 3

/** A document that parsed, with what was odd about it (`problems`: its errors mean it must not be used). */
export interface ParsedDocument {
  /** Frozen plain data; objects have no prototype. */
  readonly value: unknown
  readonly positions: PositionTree
  /** 1-based line of its first field. */
  readonly line: number
  readonly problems: readonly Problem[]
}

export interface ParsedFile {
  readonly documents: readonly ParsedDocument[]
  /** About documents that could not be read, or about the file as a whole. */
  readonly problems: readonly Problem[]
}

/** YAML 1.2 5.1: control characters are not printable text. */
const NOT_TEXT = /[^\t\n\r -~\u0080-\uFFFD]/

/** YAML (1.2 core schema, several documents) or JSON to plain data with positions. Never throws. */
export function parseDocuments(text: string, file: string | null): ParsedFile {
  const problem = fileProblem(text)
  if (problem !== null) return { documents: [], problems: [{ ...problem, file }] }
  const documents: ParsedDocument[] = []
  const problems: Problem[] = []
  for (const part of splitDocuments(text)) {
    const parsed = parseDocument(part, file)
    if (Array.isArray(parsed)) problems.push(...parsed)
    else if (parsed !== null) documents.push(parsed)
  }
  return { documents, problems }
}

/** Why a file is not read at all, or null; its `file` is left to the caller. */
export function fileProblem(text: string): Problem | null {
  if (exceeds(text, MAX_FILE_BYTES)) {
    const message = `the file is larger than ${MAX_FILE_BYTES / 1024 / 1024} MiB and was not read`
    return unplacedProblem('error', 'file-too-large', message, 'split it into several files')
  }
  const junk = NOT_TEXT.exec(text)
  if (junk === null) return null
  const before = text.slice(0, junk.index)
  const line = before.split('\n').length
  const column = junk.index - before.lastIndexOf('\n')
  const point = junk[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')
  const message = `the file holds the control character U+${point}: it is not YAML or JSON text`
  return { ...unplacedProblem('error', 'not-text', message, null), line, column }
}

/** `null` for an empty document, Problems for one that cannot be read. */
export function parseDocument(
  part: DocumentText,
  file: string | null,
): ParsedDocument | Problem[] | null {
  const tooLarge = sizeProblem(part.text)
  if (tooLarge !== null) return [{ ...tooLarge, file, line: part.line, column: 1 }]
  const lines = new LineCounter()
  const document = parseYaml(part.text, {
    version: '1.2',
    schema: 'core',
    // NodeReader looks for duplicates itself: the parser's own check is quadratic.
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
    lineCounter: lines,
  })
  if (document.errors.length > 0) return syntaxProblems(part, document.errors, lines, file)
  if (document.contents === null) return null
  const reader = new NodeReader(lines, part.line)
  const read = reader.readDocument(document.contents)
  const problems = reader.findings.map((finding) => problemOf(finding, file))
  for (const warning of document.warnings) {
    const { line, col } = lines.linePos(warning.pos[0])
    const message = `a tag is not understood here (${warning.message.replace(/^Unresolved tag: /, '')})`
    const problem = unplacedProblem('error', 'unknown-tag', message, 'delete the tag')
    problems.push({ ...problem, file, line: line + part.line - 1, column: col })
  }
  if (read === null) return problems
  problems.push(...trailingTabs(part, file))
  return { ...read, line: lineOf(read.positions), problems }
}

function sizeProblem(text: string): Problem | null {
  if (exceeds(text, MAX_DOCUMENT_BYTES)) {
    const message = `the document is larger than ${MAX_DOCUMENT_BYTES / 1024 / 1024} MiB`
    return unplacedProblem('error', 'document-too-large', message, 'split it with `---` lines')
  }
  if (text.length < COUNT_TOKENS_FROM) return null
  let tokens = 0
  let scalars = 0
  for (const token of new Lexer().lex(text)) {
    if (token === SCALAR_TOKEN) scalars++
    if (++tokens > MAX_TOKENS || scalars > MAX_SCALARS) {
      const message = `the document has more than ${MAX_SCALARS} keys and values`
      return unplacedProblem('error', 'document-too-large', message, 'split it with `---` lines')
    }
  }
  return null
}

function syntaxProblems(
  part: DocumentText,
  errors: readonly YAMLError[],
  lines: LineCounter,
  file: string | null,
): Problem[] {
  const quoteText = !/\bkind\W+Secret\b/.test(part.text)
  const slips = findSlips(part.text, { quoteText })
  const first = errors[0]
  const at = first === undefined ? { line: 1, col: 1 } : lines.linePos(first.pos[0])
  if (!slips.some((slip) => slip.line <= at.line + 1)) {
    const space = findMissingSpace(part.text, at.line)
    if (space !== null) slips.unshift(space)
  }
  const problems = slips.map(({ line, column, code, message, hint }) => {
    const problem = unplacedProblem('error', code, message, hint)
    return { ...problem, file, line: line + part.line - 1, column }
  })
  if (slips.some((slip) => slip.line <= at.line + 1)) return withExtent(problems, part)
  const add = (problem: Problem, offset: number): void => {
    const { line, col } = lines.linePos(offset)
    problems.push({ ...problem, file, line: line + part.line - 1, column: col })
  }
  const bracket = first?.message.startsWith('Flow ') ? openBracket(part.text, first.pos[0]) : null
  if (bracket !== null) add(explainBracket(bracket), bracket.at)
  else {
    for (const error of errors.slice(0, MAX_SYNTAX_ERRORS)) {
      add(explainSyntax(error, quoteText), error.pos[0])
    }
  }
  return withExtent(problems, part)
}

/** Whatever else the parser complains of comes from it. */
function explainBracket({ opening, closing }: OpenBracket): Problem {
  return unplacedProblem(
    'error',
    'open-bracket',
    `\`${opening}\` is not closed`,
    `close it with \`${closing}\`; lines between the two are indented more than the key`,
  )
}

/** The first problem says how much of the file is left out. */
function withExtent(problems: Problem[], part: DocumentText): Problem[] {
  const lines = part.text.trimEnd().split('\n').length
  const extent = `the document of lines ${part.line} to ${part.line + lines - 1} is left out`
  return problems.map((problem, index) => {
    if (index > 0) return problem
    return { ...problem, hint: problem.hint === null ? extent : `${problem.hint}; ${extent}` }
  })
}

/** The parser's complaint in the words of somebody who wrote a resource, not a parser. */
function explainSyntax(error: YAMLError, quoteText: boolean): Problem {
  switch (error.code) {
    case 'RESOURCE_EXHAUSTION':
      return unplacedProblem('error', 'document-too-deep', 'mappings and lists nest too deep', null)
    case 'BLOCK_AS_IMPLICIT_KEY':
      return unplacedProblem(
        'error',
        'syntax',
        'a second `key: value` begins inside a value',
        'quote the value, or start a new line',
      )
    case 'BAD_INDENT':
      return unplacedProblem(
        'error',
        'bad-indent',
        'the line is not indented like its siblings',
        'line it up with the keys around it',
      )
    case 'BAD_SCALAR_START':
      return unplacedProblem(
        'error',
        'syntax',
        'a value cannot start with this character',
        'quote the value',
      )
    default:
      // The parser's text may quote the document.
      return unplacedProblem(
        'error',
        'syntax',
        quoteText ? `not valid YAML: ${lowerFirst(error.message)}` : 'not valid YAML',
        null,
      )
  }
}

/** Legal YAML, but a sign of pasted text, and other tools choke on it: told, not refused. */
function trailingTabs(part: DocumentText, file: string | null): Problem[] {
  if (!/[^\s][ ]*\t[ \t]*$/m.test(part.text) || /[|>][+-]?\d?[+-]?[ \t]*$/m.test(part.text))
    return []
  const lines = part.text.split('\n')
  const index = lines.findIndex((line) => /[^\s][ ]*\t[ \t]*\r?$/.test(line))
  if (index < 0) return []
  const problem = unplacedProblem(
    'info',
    'trailing-tab',
    'the line ends in a tab',
    'delete the tab',
  )
  const column = (lines[index]?.trimEnd().length ?? 0) + 1
  return [{ ...problem, file, line: index + part.line, column }]
}

function problemOf(finding: NodeFinding, file: string | null): Problem {
  const { severity, code, path, message, hint, position } = finding
  return {
    severity,
    code,
    ref: null,
    path,
    message,
    hint,
    file,
    line: lineOf(position),
    column: columnOf(position),
  }
}

function exceeds(text: string, bytes: number): boolean {
  return text.length * 3 > bytes && Buffer.byteLength(text) > bytes
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
