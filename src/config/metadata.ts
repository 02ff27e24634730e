import type { DocumentFindings } from './document-findings.ts'
import { isLabelKey, isLabelValue } from './names.ts'
import { formatPath } from './problems.ts'
import type { Metadata } from './resource.ts'
import { any, type Infer, integer, map, object, string } from './schema.ts'

/** Kubernetes ObjectMeta. What the API server adds is known, so that it is no finding. */
export const metadataSchema = object({
  name: string,
  namespace: string,
  labels: map(string),
  annotations: map(string),
  creationTimestamp: string,
  generateName: string,
  uid: string,
  resourceVersion: any,
  generation: integer,
  selfLink: string,
  clusterName: string,
  deletionTimestamp: string,
  deletionGracePeriodSeconds: integer,
  finalizers: any,
  ownerReferences: any,
  managedFields: any,
})

const MAX_NAMESPACE_LENGTH = 63
const MAX_NAME_LENGTH = 253
const EMPTY: Readonly<Record<string, string>> = Object.freeze(Object.create(null))

/** Checks names and labels by Kubernetes' rules; `name` is known to be written. */
export function readMetadata(
  written: Infer<typeof metadataSchema>,
  clusterScoped: boolean,
  findings: DocumentFindings,
): Metadata {
  const name = written.name ?? ''
  const namespace = clusterScoped ? '' : (written.namespace ?? 'default')
  checkName('name', name, MAX_NAME_LENGTH, findings)
  if (!clusterScoped) checkName('namespace', namespace, MAX_NAMESPACE_LENGTH, findings)
  const labels = written.labels ?? EMPTY
  checkLabels(labels, findings)
  const annotations = written.annotations ?? EMPTY
  const creationTimestamp = readTimestamp(written.creationTimestamp, findings)
  return Object.freeze({ name, namespace, labels, annotations, creationTimestamp })
}

function checkName(
  field: 'name' | 'namespace',
  text: string,
  longest: number,
  findings: DocumentFindings,
): void {
  const wellFormed = field === 'name' ? text.split('.').every(isLowerLabel) : isLowerLabel(text)
  if (wellFormed && text.length <= longest) return
  const dots = field === 'name' ? ', dashes and dots' : ' and dashes'
  const rule = `lower-case letters, digits${dots}, at most ${longest} characters, a letter or digit at either end`
  const shown = JSON.stringify(text.slice(0, longest))
  const hint = isLowerLabel(text.toLowerCase()) ? `write ${text.toLowerCase()}` : null
  findings.report(
    'error',
    'bad-name',
    ['metadata', field],
    `metadata.${field} ${shown} must be ${rule}`,
    hint,
  )
}

function isLowerLabel(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(text)
}

function checkLabels(labels: Readonly<Record<string, string>>, findings: DocumentFindings): void {
  for (const [key, value] of Object.entries(labels)) {
    const path = ['metadata', 'labels', key]
    if (!isLabelKey(key)) {
      const message = `${formatPath(path)}: the label's name must be letters, digits, "-", "_" and ".", at most 63 characters`
      findings.report('error', 'bad-label', path, message)
    } else if (!isLabelValue(value)) {
      const message = `${formatPath(path)} must be letters, digits, "-", "_" and ".", at most 63 characters, got ${JSON.stringify(value.slice(0, 80))}`
      findings.report('error', 'bad-label', path, message)
    }
  }
}

function readTimestamp(text: string | undefined, findings: DocumentFindings): number | null {
  if (text === undefined) return null
  const time = Date.parse(text)
  if (Number.isFinite(time)) return time
  const message =
    'metadata.creationTimestamp is not a time such as 2024-05-01T10:00:00Z: the resource counts as undated'
  findings.report('warning', 'bad-timestamp', ['metadata', 'creationTimestamp'], message)
  return null
}
