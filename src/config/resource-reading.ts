import { canonicalDigest } from '../base/digest.ts'
import { closest } from '../base/closest.ts'
import { DocumentFindings } from './document-findings.ts'
import { DocumentLocation } from './document-location.ts'
import { ownKinds } from './kinds/own-kinds.ts'
import { istioKinds } from './kinds/rules.ts'
import { securityKinds } from './kinds/security-kinds.ts'
import { mergeSecretData } from './kinds/secret-data.ts'
import type { SecretBody } from './kinds/kubernetes.ts'
import { isMapping } from './mapping.ts'
import { readMetadata, type metadataSchema } from './metadata.ts'
import type { PositionTree } from './position-tree.ts'
import type { Problem, ResourceRef } from './problems.ts'
import { Reporter } from './reporter.ts'
import { findKind, usualApiVersion, type ResourceKind } from './resource-kinds.ts'
import type { Metadata, Resource } from './resource.ts'
import { checkShape } from './shape.ts'
import type { Infer } from './schema.ts'
import type { Listed } from './resource-lists.ts'
import { withheldAuthentication } from './withheld-authentication.ts'
import { withheldRule } from './withheld-rule.ts'

/** One document (or one item of a List), parsed and not yet judged. */
export interface DocumentItem {
  readonly value: unknown
  readonly positions: PositionTree
  readonly file: string | null
  /** What the parser found; paths are the item's. */
  readonly problems: readonly Problem[]
}

/** What one document turned out to be. */
export interface ResourceReading {
  readonly file: string | null
  readonly line: number
  /** Null when the document does not say which resource it is. */
  readonly ref: ResourceRef | null
  readonly kind: ResourceKind | null
  /** Null when an error keeps it out. */
  readonly resource: Resource<unknown> | null
  /** What stands in for a resource with errors that must not count as absent. */
  readonly withheld: Listed | null
  /** A kind that is none of ours. */
  readonly skipped: { readonly apiVersion: string; readonly kind: string } | null
  readonly problems: readonly Problem[]
}

export interface ReadingOptions {
  readonly compat: boolean
}

interface Identity {
  readonly apiVersion: string
  readonly kind: ResourceKind
  readonly ref: ResourceRef
}

const ROOT_KEYS = ['apiVersion', 'kind', 'metadata', 'spec']

/** Judges one document: which resource it is, its shape, its kind's own rules. Never throws on data. */
export function readResource(item: DocumentItem, options: ReadingOptions): ResourceReading {
  const location = new DocumentLocation(item.file, item.positions)
  const findings = new DocumentFindings(location)
  const { file } = item
  const { line } = location
  const identity = readIdentity(item.value, findings)
  if (identity === null || !('ref' in identity)) {
    const skipped = identity
    // A foreign document is not ours to judge, but for what kept us from knowing it.
    const problems =
      skipped === null ? [...item.problems, ...findings.bounded()] : findings.bounded()
    return { file, line, ref: null, kind: null, resource: null, withheld: null, skipped, problems }
  }
  const { ref, kind } = identity
  findings.ref = ref
  for (const problem of item.problems) findings.problems.push({ ...problem, ref })
  const resource = readBody(item.value, identity, findings, location, options)
  const accepted = resource !== null && !findings.failed ? resource : null
  const problems = findings.bounded()
  const withheld = accepted === null ? standIn(item.value, identity, location) : null
  return { file, line, ref, kind, resource: accepted, withheld, skipped: null, problems }
}

/** See withheldRule and withheldAuthentication. */
function standIn(value: unknown, identity: Identity, location: DocumentLocation): Listed | null {
  const rule = withheldRule(value, identity, location)
  if (rule !== null) return { list: 'withheldRules', resource: rule }
  const authentication = withheldAuthentication(value, identity, location)
  if (authentication === null) return null
  return { list: 'withheldAuthentications', resource: authentication }
}

function readBody(
  value: unknown,
  { apiVersion, kind }: Identity,
  findings: DocumentFindings,
  location: DocumentLocation,
  options: ReadingOptions,
): Resource<unknown> | null {
  const shape = checkShape(kind.document, value, {
    path: [],
    compat: options.compat,
    unknownFields: kind.istio ? 'refuse' : 'pass',
    showValues: kind.name !== 'Secret',
    sink: findings,
  })
  const document = shape.value as Readonly<Record<string, unknown>> | null
  if (document === null) return null
  const metadata = readMetadata(
    document['metadata'] as Infer<typeof metadataSchema>,
    kind.clusterScoped,
    findings,
  )
  if (kind.istio && document['spec'] === undefined && !findings.failed) {
    findings.report(
      'error',
      'missing-spec',
      [],
      `this ${kind.name} has no spec`,
      missingHint('spec', value),
    )
  }
  if (findings.failed) return null
  const body = kind.body === 'spec' ? (document['spec'] ?? Object.freeze({})) : bodyOf(document)
  const draft: Resource<unknown> = {
    apiVersion,
    kind: kind.name,
    metadata,
    spec: body,
    location,
    digest: '',
    ...(kind.keepsStatus ? { status: document['status'] } : {}),
  }
  const reporter = new Reporter(draft, findings.problems)
  const spec = kind.name === 'Secret' ? mergeSecretData(body as SecretBody, reporter) : body
  if (kind.istio) {
    const rules =
      istioKinds.get(kind.name) ?? ownKinds.get(kind.name) ?? securityKinds.get(kind.name)
    rules?.validate(draft, reporter, options)
  }
  const digest = digestOf(apiVersion, kind.name, metadata, spec, draft.status)
  return Object.freeze({ ...draft, spec, digest })
}

function digestOf(
  apiVersion: string,
  kind: string,
  metadata: Metadata,
  spec: unknown,
  status: unknown,
): string {
  const { name, namespace, labels, annotations } = metadata
  return canonicalDigest({
    apiVersion,
    kind,
    metadata: { name, namespace, labels, annotations },
    spec,
    status,
  })
}

function bodyOf(document: Readonly<Record<string, unknown>>): unknown {
  const { apiVersion: _apiVersion, kind: _kind, metadata: _metadata, ...body } = document
  return Object.freeze(body)
}

/** `null` after a finding; otherwise which resource it is, or the foreign kind it is of. */
function readIdentity(
  value: unknown,
  findings: DocumentFindings,
): Identity | { readonly apiVersion: string; readonly kind: string } | null {
  if (!isMapping(value)) {
    const what = Array.isArray(value) ? 'a list' : 'a single value'
    const hint = 'a document begins with apiVersion, kind, metadata and spec'
    findings.report('error', 'not-a-resource', [], `the document is ${what}, not a resource`, hint)
    return null
  }
  const kind = readWord('kind', value, findings)
  const apiVersion = readWord('apiVersion', value, findings)
  if (kind === null || apiVersion === null) return null
  const found = findKind(apiVersion, kind)
  if ('mistake' in found) {
    findings.report(
      'error',
      `unknown-${found.field === 'kind' ? 'kind' : 'api-version'}`,
      [found.field],
      found.mistake,
      found.hint,
    )
    return null
  }
  if ('skipped' in found) {
    if (!('metadata' in value)) warnOfTypo(value, findings)
    return { apiVersion, kind }
  }
  const metadata = readName(value, kind, findings)
  if (metadata === null) return null
  const namespace = found.known.clusterScoped ? '' : (metadata.namespace ?? 'default')
  return { apiVersion, kind: found.known, ref: { kind, namespace, name: metadata.name } }
}

function readName(
  value: Readonly<Record<string, unknown>>,
  kind: string,
  findings: DocumentFindings,
): { name: string; namespace: string | null } | null {
  const metadata = value['metadata']
  if (metadata === undefined || metadata === null) {
    const message = `this ${kind} has no metadata, so it has no name`
    const typo = typoFor('metadata', value)
    const path = typo === null ? [] : [typo]
    findings.report('error', 'missing-metadata', path, message, missingHint('metadata', value))
    return null
  }
  const fields = isMapping(metadata) ? metadata : {}
  const { name, namespace } = fields
  if (typeof name !== 'string' || name === '') {
    const given = typeof name === 'number' || typeof name === 'boolean'
    const hint = given
      ? 'put the name in quotes'
      : (missingHint('name', fields) ?? 'write it under metadata')
    const message = given ? 'metadata.name must be a string' : `this ${kind} has no metadata.name`
    findings.report('error', 'missing-name', ['metadata', 'name'], message, hint)
    return null
  }
  if (namespace !== undefined && namespace !== null && typeof namespace !== 'string') {
    findings.report(
      'error',
      'wrong-type',
      ['metadata', 'namespace'],
      'metadata.namespace must be a string',
      'put it in quotes',
    )
    return null
  }
  return { name, namespace: namespace === undefined || namespace === '' ? null : namespace }
}

function readWord(
  field: 'apiVersion' | 'kind',
  value: Readonly<Record<string, unknown>>,
  findings: DocumentFindings,
): string | null {
  const word = value[field]
  if (typeof word === 'string' && word !== '') return word
  const missing = word === undefined || word === null || word === ''
  const message = missing ? `the document has no ${field}` : `${field} must be a string`
  const kind = value['kind']
  const usual = field === 'apiVersion' && typeof kind === 'string' ? usualApiVersion(kind) : null
  const hint =
    missingHint(field, value) ?? (usual === null ? null : `write \`apiVersion: ${usual}\``)
  findings.report(
    'error',
    field === 'kind' ? 'missing-kind' : 'missing-api-version',
    [field],
    message,
    hint,
  )
  return null
}

/** `metadataL` where `metadata` is missing. */
function missingHint(wanted: string, value: unknown): string | null {
  const typo = typoFor(wanted, value)
  return typo === null ? null : `rename \`${typo}\` to \`${wanted}\``
}

function typoFor(wanted: string, value: unknown): string | null {
  if (!isMapping(value)) return null
  const others = Object.keys(value).filter((key) => !ROOT_KEYS.includes(key))
  return closest(wanted, others)
}

function warnOfTypo(value: Readonly<Record<string, unknown>>, findings: DocumentFindings): void {
  const typo = typoFor('metadata', value)
  if (typo === null) return
  const message = `\`${typo}\` is not a known field and metadata is missing`
  findings.report('warning', 'unknown-field', [typo], message, `rename \`${typo}\` to \`metadata\``)
}
