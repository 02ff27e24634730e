import { DocumentLocation } from './document-location.ts'
import { parseDocument, type ParsedDocument } from './document.ts'
import type { DocumentText } from './document-text.ts'
import { isMapping } from './mapping.ts'
import { nearest } from './position-tree.ts'
import type { Problem } from './problems.ts'
import {
  readResource,
  type DocumentItem,
  type ReadingOptions,
  type ResourceReading,
} from './resource-reading.ts'

/** What one document of a file held. */
export interface DocumentReading {
  /** 1-based line of its first character in the file. */
  readonly line: number
  /** One, or the items of a List; none when it is empty or could not be parsed. */
  readonly resources: readonly ResourceReading[]
  /** About a document that could not be parsed. */
  readonly problems: readonly Problem[]
  /** It could not be read or named: it may have held any resource. */
  readonly uncertain: boolean
}

/** Parses and judges one document. */
export function readDocument(
  part: DocumentText,
  file: string,
  options: ReadingOptions,
): DocumentReading {
  const { line } = part
  const parsed = parseDocument({ text: ownText(part.text), line }, file)
  if (parsed === null) return { line, resources: [], problems: [], uncertain: false }
  if (Array.isArray(parsed)) {
    const uncertain = parsed.some((problem) => problem.severity === 'error')
    return { line, resources: [], problems: parsed, uncertain }
  }
  const resources = unpackList(parsed, file).map((item) => readResource(item, options))
  const uncertain = resources.some((reading) => reading.ref === null && reading.skipped === null)
  return { line, resources, problems: [], uncertain }
}

/**
 * The same document read earlier, now that it begins at `line`; null when it has to be read again
 * because what was found speaks of lines.
 */
export function movedReading(reading: DocumentReading, line: number): DocumentReading | null {
  const lines = line - reading.line
  if (lines === 0) return reading
  if (reading.problems.length > 0) return null
  const resources = reading.resources.map((resource) => movedResource(resource, lines))
  return { line, resources, problems: [], uncertain: reading.uncertain }
}

function movedResource(reading: ResourceReading, lines: number): ResourceReading {
  const { resource, line } = reading
  const location = resource?.location
  return {
    ...reading,
    line: line + lines,
    resource:
      resource !== null && location instanceof DocumentLocation
        ? Object.freeze({ ...resource, location: location.moved(lines) })
        : resource,
    problems: reading.problems.map((problem) => ({
      ...problem,
      line: problem.line === null ? null : problem.line + lines,
    })),
  }
}

/**
 * A copy: values of a document are slices of its text, and a document outlives the text of its file
 * when another document of that file changes.
 */
function ownText(text: string): string {
  return ` ${text}`.slice(1)
}

/** `kind: List` and the typed lists (`VirtualServiceList`) that kubectl prints. */
function unpackList(document: ParsedDocument, file: string): DocumentItem[] {
  const { value, positions, problems } = document
  const list = isMapping(value) ? value : {}
  const { kind, items, apiVersion } = list
  if (typeof kind !== 'string' || !kind.endsWith('List') || !Array.isArray(items)) {
    return [{ value, positions, file, problems }]
  }
  const inherited = kind === 'List' ? null : { apiVersion, kind: kind.slice(0, -'List'.length) }
  return items.map((item: unknown, index) => ({
    value: inherited === null ? item : withType(item, inherited),
    positions: nearest(positions, ['items', index]),
    file,
    problems: problems.flatMap((problem) => ownProblem(problem, index)),
  }))
}

/** The API server leaves apiVersion and kind out of the items of a typed list. */
function withType(item: unknown, inherited: { apiVersion: unknown; kind: string }): unknown {
  if (!isMapping(item) || 'kind' in item) return item
  return Object.freeze(Object.assign(Object.create(null), inherited, item))
}

/** A finding of the list's document, as the item it belongs to has it; others belong to the first. */
function ownProblem(problem: Problem, index: number): Problem[] {
  const [field, position, ...path] = problem.path
  if (field === 'items' && typeof position === 'number')
    return position === index ? [{ ...problem, path }] : []
  return index === 0 ? [problem] : []
}
