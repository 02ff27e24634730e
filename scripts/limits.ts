import { writeFileSync } from 'node:fs'
import type { LimitRow } from '../src/compile/limits/limit-row.ts'
import { LIMIT_CHAPTERS } from '../src/compile/limits/limit-table.ts'
import { durationText, shownLimit } from '../src/compile/limits/limit-text.ts'
import { FIXED_LIMITS } from '../src/process/fixed-limits.ts'
import { cell } from './markdown.ts'

export const LIMITS_PATH = new URL('../docs/limits.md', import.meta.url)

/** What stands below the table of a chapter. */
const NOTES: Readonly<Record<string, string>> = {
  'HTTP/2 from clients': `
nghttp2, which reads the frames, ends a connection by itself after 10,000 PRIORITY, PRIORITY_UPDATE or
unknown frames (330 a second more), when more than 1,000 answers to PING and SETTINGS wait to be
sent, and after as many frames that break a rule as \`h2-server-resets\` says, empty DATA frames
among them. Node shows no WINDOW_UPDATE frame, so \`h2-other-bytes-per-second\` counts the bytes that
are left over: a request may have a head and a window of body whatever comes of it, a body may come in
frames of one byte, a piece of an answer may have 256 bytes of WINDOW_UPDATE.
`,
}

/** docs/limits.md */
export function renderLimits(): string {
  const chapters = LIMIT_CHAPTERS.map(
    ([title, rows]) => `## ${title}\n\n${renderTable(rows)}${NOTES[title] ?? ''}`,
  )
  return `# Limits and timers

Every limit of the wire has a name. \`tidegate run --limit NAME=VALUE\` sets one; the flag may be
given several times, and \`TIDEGATE_LIMIT\` holds several separated by white space:

\`\`\`sh
tidegate run -c ./istio --limit connections-per-address=5000 --limit write-stall-timeout=1m
\`\`\`

- Durations are written \`30s\`, \`1m30s\` or \`500ms\`; sizes in bytes, or as \`64KiB\` (\`64k\`) and
  \`1MiB\` (\`1m\`). Where the table says so, \`unlimited\` takes a limit away; so does \`0s\` for a timer.
- A field of MeshConfig \`defaultConfig.connectionSettings\` (last column) wins over the flag, the
  flag wins over the defaults of profile EDGE and of \`--compat\`.
- Connections keep the limits they were accepted with; flags need a restart, MeshConfig a reload.
- \`/config_dump?resource=limits\` of the [admin API](admin-api.md) shows what is in force and where
  it comes from.

This page is generated: \`node scripts/limits.ts\`.

${chapters.join('\n')}
## Fixed limits

These are part of the program; \`/config_dump?resource=fixedLimits\` shows them too.

| Name | Value | What it limits |
| --- | --- | --- |
${FIXED_LIMITS.map(({ name, value, meaning }) => `| \`${name}\` | ${value} | ${cell(meaning)} |\n`).join('')}`
}

function renderTable(rows: Readonly<Record<string, LimitRow>>): string {
  const lines = Object.entries(rows).map(
    ([name, row]) =>
      `| \`${name}\` | ${unitOf(row)} | ${defaultOf(row)} | ${rangeOf(row)} | ${cell(row.meaning)} | ${row.field === null ? '' : `\`${row.field}\``} |\n`,
  )
  return `| Name | Unit | Default | Values | What it limits | connectionSettings |
| --- | --- | --- | --- | --- | --- |
${lines.join('')}`
}

function unitOf(row: LimitRow): string {
  return row.unit === 'choice' ? 'word' : row.unit
}

function defaultOf(row: LimitRow): string {
  const usual = shownLimit(row, row.byDefault)
  const edge = row.edge === null || row.edge === row.byDefault ? null : shownLimit(row, row.edge)
  return edge === null ? `${usual}` : `${usual}; EDGE: ${edge}`
}

function rangeOf(row: LimitRow): string {
  if (row.unit === 'choice') return row.choices.join(', ')
  const show = row.unit === 'duration' ? durationText : String
  return `${show(row.least)} to ${show(row.most)}${row.unlimited ? ', unlimited' : ''}`
}

if (import.meta.main) writeFileSync(LIMITS_PATH, renderLimits())
