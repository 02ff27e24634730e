import { formatPath, type Problem } from '../config/problems.ts'
import type { AdminState } from './admin-state.ts'

/** No scripts, no foreign content, not to be framed. */
export const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

/** Findings shown on the page; /problems has all. */
const MAX_PROBLEMS = 50

const LINKS: readonly (readonly [path: string, text: string])[] = [
  ['/problems', 'findings about the configuration'],
  ['/listeners', 'bound addresses'],
  ['/clusters', 'clusters and endpoints'],
  ['/config_dump', 'the serving snapshot as JSON'],
  ['/certs', 'certificates'],
  ['/resources', 'resources with file and line'],
  ['/stats', 'statistics'],
  ['/stats/prometheus', 'statistics for Prometheus'],
  ['/server_info', 'version and options'],
  ['/ready', 'readiness'],
]

/** The page of GET /: the state right now, without scripts. */
export function renderPage(state: AdminState): string {
  const snapshot = state.snapshot()
  const info = state.serverInfo()
  const listeners = state
    .boundListeners()
    .map(({ name, type, addresses, gatewayPorts }) => [
      name,
      type,
      addresses.join(', '),
      gatewayPorts.join(', '),
    ])
  const clusters = state.clusters().map(({ name, policy, endpoints, counters }) => {
    const healthy = endpoints.filter(({ health }) => health === 'healthy').length
    return [name, policy, `${healthy} / ${endpoints.length}`, String(counters['rq_total'] ?? 0)]
  })
  const problems = state.problems()
  const shown = problems.slice(0, MAX_PROBLEMS).map(problemRow)
  const facts = [
    ['state', state.lifecycle()],
    ['generation', snapshot === null ? 'none yet' : String(snapshot.generation)],
    ['version', `${info.version} on Node ${info.nodeVersion}`],
    ['up since', info.startedAt],
  ]
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Tidegate</title>',
    '<style>body{font:14px/1.5 system-ui,sans-serif;margin:2em;max-width:80em}',
    'table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2em .6em;text-align:left}',
    '</style></head><body><h1>Tidegate</h1>',
    table([], facts),
    `<ul>${LINKS.map(([path, text]) => `<li><a href="${path}">${path}</a> ${text}</li>`).join('')}</ul>`,
    '<h2>Listeners</h2>',
    table(['name', 'type', 'addresses', 'Gateway ports'], listeners),
    `<h2>Problems (${problems.length})</h2>`,
    table(['severity', 'code', 'resource', 'field', 'message', 'place'], shown),
    '<h2>Clusters</h2>',
    table(['name', 'policy', 'healthy', 'requests'], clusters),
    '</body></html>\n',
  ].join('\n')
}

function problemRow(problem: Problem): readonly string[] {
  const { ref } = problem
  return [
    problem.severity,
    problem.code,
    ref === null ? '' : `${ref.kind} ${ref.namespace}/${ref.name}`,
    formatPath(problem.path),
    problem.hint === null ? problem.message : `${problem.message} (${problem.hint})`,
    problem.file === null ? '' : `${problem.file}:${problem.line ?? ''}`,
  ]
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '<p>none</p>'
  const cells = (tag: string, texts: readonly string[]): string =>
    `<tr>${texts.map((text) => `<${tag}>${escapeHtml(text)}</${tag}>`).join('')}</tr>`
  const header = head.length === 0 ? '' : cells('th', head)
  return `<table>${header}${rows.map((row) => cells('td', row)).join('')}</table>`
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!)
}
