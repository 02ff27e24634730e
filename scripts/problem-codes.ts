import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** One place in the sources that reports a finding. */
export interface CodeUse {
  readonly code: string
  /** Null when the severity is decided at run time. */
  readonly severity: string | null
  /** Relative to the root of the checkout. */
  readonly file: string
}

const KEBAB = "'([a-z][a-z0-9]*(?:-[a-z0-9]+)*)'"
const DASHED = "'([a-z][a-z0-9]*(?:-[a-z0-9]+)+)'"

/** How sources name codes, as [pattern, group of the severity or 0, group of the code]. */
const USES: readonly (readonly [RegExp, number, number])[] = [
  // place.error('code', ...), reporter.warning('code', ...)
  [new RegExp(`\\.(error|warning|info)\\(\\s*${DASHED}`, 'g'), 1, 2],
  // findings.report('error', 'code', ...)
  [new RegExp(`'(error|warning|info)',\\s*${DASHED}`, 'g'), 1, 2],
  // reporter.report(severity, 'code', ...)
  [new RegExp(`\\.report\\(\\s*[A-Za-z.]+,\\s*${DASHED}`, 'g'), 0, 1],
  // { code: 'code', ... }
  [new RegExp(`\\bcode: ${DASHED}`, 'g'), 0, 1],
  // const code = condition ? 'code' : 'other-code'
  [new RegExp(`\\bcode =[^\\n;]*?${DASHED}`, 'g'), 0, 1],
  [new RegExp(`\\bcode =[^\\n;]*? : ${DASHED}`, 'g'), 0, 1],
  // unplacedProblem('error', 'code', ...)
  [new RegExp(`unplacedProblem\\(\\s*'(error|warning|info)',\\s*${KEBAB}`, 'g'), 1, 2],
  // The reader of nodes and the finder of Secrets have words of their own.
  [new RegExp(`(?:#limit|\\bmissing)\\(\\s*${KEBAB}`, 'g'), 0, 1],
]

/** Every report of a finding in the TypeScript files of `folders`, tests and the catalogue aside. */
export function codeUses(root: string, folders: readonly string[]): CodeUse[] {
  return sourceFiles(root, folders).flatMap((file) => usesIn(readSource(root, file), file))
}

/** Every quoted lower-case word of the sources: a code in use is among them, however it is passed. */
export function quotedWords(root: string, folders: readonly string[]): ReadonlySet<string> {
  const words = new Set<string>()
  for (const file of sourceFiles(root, folders)) {
    for (const [, word = ''] of readSource(root, file).matchAll(new RegExp(KEBAB, 'g'))) {
      words.add(word)
    }
  }
  return words
}

export function usesIn(source: string, file: string): CodeUse[] {
  const uses: CodeUse[] = []
  for (const [pattern, severityGroup, codeGroup] of USES) {
    for (const match of source.matchAll(pattern)) {
      const severity = severityGroup === 0 ? null : (match[severityGroup] ?? null)
      uses.push({ code: match[codeGroup] ?? '', severity, file })
    }
  }
  return uses
}

function sourceFiles(root: string, folders: readonly string[]): string[] {
  const files: string[] = []
  for (const folder of folders) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      const judged = name.endsWith('.ts') && !name.endsWith('.test.ts')
      if (judged && !name.includes('problem-catalogue')) files.push(join(folder, name))
    }
  }
  return files.toSorted()
}

function readSource(root: string, file: string): string {
  return readFileSync(join(root, file), 'utf8')
}
