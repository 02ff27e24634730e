import { writeFileSync } from 'node:fs'
import { kubernetesKinds } from '../src/config/kinds/kubernetes-kinds.ts'
import { ownKinds } from '../src/config/kinds/own-kinds.ts'
import { istioKinds } from '../src/config/kinds/rules.ts'
import { securityKinds } from '../src/config/kinds/security-kinds.ts'
import { meshConfigSchema } from '../src/config/mesh-config.ts'
import type { Fields, Schema, Support } from '../src/config/schema.ts'
import { cell } from './markdown.ts'
import { meshNotes, supportNotes } from './support-notes.ts'

export const SUPPORT_MATRIX_PATH = new URL('../docs/support-matrix.md', import.meta.url)

/** One field of one kind. */
export interface SupportRow {
  /** `spec.http[].match[].uri.exact` */
  readonly path: string
  readonly type: string
  readonly support: Support
  readonly note: string
}

const MEANING: Readonly<Record<Support, string>> = {
  works: 'works',
  ignored: 'ignored, with a finding',
  refused: 'refused',
}

/**
 * Every field below `schema`, objects themselves only when they are marked or have no fields. What
 * stands below an ignored or refused field shares its fate and is one row.
 */
export function supportRows(schema: Schema, path: string): SupportRow[] {
  const support = schema.support ?? 'works'
  if (support !== 'works') {
    return [{ path, type: typeName(schema), support, note: schema.note ?? '' }]
  }
  const fields = schema.type === 'object' ? Object.entries(schema.fields as Fields) : []
  if (fields.length > 0 || path === '') {
    return fields.flatMap(([name, field]) =>
      supportRows(field, path === '' ? name : `${path}.${name}`),
    )
  }
  if (schema.type === 'list') return entryRows(schema.item as Schema, `${path}[]`, schema)
  if (schema.type === 'map') return entryRows(schema.value as Schema, `${path}{}`, schema)
  return [{ path, type: typeName(schema), support, note: '' }]
}

function entryRows(entry: Schema, path: string, whole: Schema): SupportRow[] {
  const plain = entry.type !== 'object' && entry.type !== 'list' && entry.type !== 'map'
  if (!plain) return supportRows(entry, path)
  return [{ path: path.slice(0, -2), type: typeName(whole), support: 'works', note: '' }]
}

function typeName(schema: Schema): string {
  switch (schema.type) {
    case 'enum':
      return schema.values.join(', ')
    case 'list':
      return `list of ${typeName(schema.item as Schema)}`
    case 'map':
      return `map of ${typeName(schema.value as Schema)}`
    case 'int-or-string':
      return 'integer or string'
    default:
      return schema.type
  }
}

/** The rows of an Istio kind, with what only compile/ knows. */
export function istioRows(kind: string, schema: Schema): SupportRow[] {
  const notes = supportNotes[kind] ?? {}
  return supportRows(schema, 'spec').map((row) => ({ ...row, ...notes[row.path] }))
}

/** The rows of MeshConfig, with what compile/ makes of them. */
export function meshRows(): SupportRow[] {
  return supportRows(meshConfigSchema, '').map((row) => ({ ...row, ...meshNotes[row.path] }))
}

/** docs/support-matrix.md */
export function renderSupportMatrix(): string {
  const istio = [...istioKinds].map(([kind, { schema }]) =>
    renderKind(kind, istioRows(kind, schema)),
  )
  const security = [...securityKinds].map(([kind, { schema }]) =>
    renderKind(kind, istioRows(kind, schema)),
  )
  const own = [...ownKinds].map(([kind, { schema }]) => renderKind(kind, istioRows(kind, schema)))
  const kubernetes = [...kubernetesKinds].map(([kind, { schema, body }]) =>
    renderKind(kind, supportRows(schema, body === 'spec' ? 'spec' : '')),
  )
  return `# Support matrix

Every field Tidegate knows. **Works** means that it does what Istio documents. **Ignored** fields are
accepted and have no effect, and using one is a warning that says what happens instead. **Refused**
fields make the resource invalid, because serving without them would be wrong or unsafe. A field that
is not listed is an error of its own (\`unknown-field\`) on Istio kinds.

\`[]\` stands for any list entry, \`{}\` for any key of a mapping. This page is generated:
\`node scripts/support-matrix.ts\`.

## Istio kinds

apiVersion \`networking.istio.io/v1\`, \`v1beta1\` and \`v1alpha3\` alike.

${istio.join('\n')}
apiVersion \`security.istio.io/v1\` and \`v1beta1\` alike.

${security.join('\n')}
## Kinds of Tidegate

apiVersion \`tidegate.dev/v1alpha1\`.

${own.join('\n')}
## MeshConfig

Connections keep the settings they were accepted with; a change applies to new ones.

${renderTable(meshRows())}
## Kubernetes kinds

Other fields of these kinds are passed over without a word.

${kubernetes.join('\n')}`
}

function renderKind(kind: string, rows: readonly SupportRow[]): string {
  return `### ${kind}\n\n${rows.length === 0 ? 'Only its existence counts.\n' : renderTable(rows)}`
}

function renderTable(rows: readonly SupportRow[]): string {
  const lines = rows.map(
    ({ path, type, support, note }) =>
      `| \`${path}\` | ${cell(type)} | ${MEANING[support]} | ${cell(note)} |\n`,
  )
  return `| Field | Type | Support | Note |\n| --- | --- | --- | --- |\n${lines.join('')}`
}

if (import.meta.main) writeFileSync(SUPPORT_MATRIX_PATH, renderSupportMatrix())
