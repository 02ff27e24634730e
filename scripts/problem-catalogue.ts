import { writeFileSync } from 'node:fs'
import { catalogueChapters } from '../src/config/problem-catalogue.ts'
import type { Catalogue } from '../src/config/problem-catalogue/entry.ts'
import { cell } from './markdown.ts'

export const PROBLEMS_PATH = new URL('../docs/problems.md', import.meta.url)

/** docs/problems.md */
export function renderProblems(): string {
  const chapters = catalogueChapters.map(([title, codes]) => `## ${title}\n\n${renderTable(codes)}`)
  return `# Problems

Everything Tidegate may say about configuration. An **error** keeps the resource out (its last
version without errors stays in use); a **warning** says that something is not what it seems; an
**info** is worth knowing. Each finding names the file, the line, the resource and the field.

This page is generated: \`node scripts/problem-catalogue.ts\`.

${chapters.join('\n')}`
}

function renderTable(codes: Catalogue): string {
  const rows = Object.entries(codes)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([code, { severities, meaning, remedy }]) =>
        `| \`${code}\` | ${severities.join(', ')} | ${cell(meaning)} | ${cell(remedy)} |\n`,
    )
  return `| Code | Severity | What it says | What to do |\n| --- | --- | --- | --- |\n${rows.join('')}`
}

if (import.meta.main) writeFileSync(PROBLEMS_PATH, renderProblems())
