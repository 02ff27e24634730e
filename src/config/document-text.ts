/** One document of a file, cut out before anything is parsed. */
export interface DocumentText {
  readonly text: string
  /** 1-based line of its first character in the file. */
  readonly line: number
}

/**
 * Cuts a file at its `---` and `...` lines. YAML 1.2 9.1.2 forbids those markers at the start of a
 * line inside any content, quoted and block scalars included, so a document that does not parse
 * cannot take the next one with it. `%` directives are left out: none changes what is read here.
 */
export function splitDocuments(text: string): DocumentText[] {
  const documents: DocumentText[] = []
  const boundary = /^(?:---|\.\.\.)(?=[ \t\r\n]|$)/gm
  let start = text.startsWith('\uFEFF') ? 1 : 0
  let line = 1
  for (;;) {
    boundary.lastIndex = start
    const next = boundary.exec(text)
    const end = next === null ? text.length : next.index
    const document = text.slice(start, end)
    if (/\S/.test(document)) documents.push({ text: withoutDirectives(document), line })
    if (next === null) return documents
    line += countLines(document)
    start = end + 3
  }
}

/** Directive lines become comments, so that lines and columns stay as they were. */
function withoutDirectives(document: string): string {
  return document.startsWith('%') || /^%/m.test(leadingComments(document))
    ? document.replace(/^%(?=YAML|TAG)/gm, '#')
    : document
}

function leadingComments(document: string): string {
  return /^(?:\s*(?:[#%].*)?(?:\n|$))*/.exec(document)?.[0] ?? ''
}

function countLines(text: string): number {
  let lines = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines++
  return lines
}
