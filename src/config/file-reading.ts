import { fileProblem } from './document.ts'
import { movedReading, readDocument, type DocumentReading } from './document-reading.ts'
import { splitDocuments } from './document-text.ts'
import { type Problem, unplacedProblem } from './problems.ts'
import type { ReadingOptions, ResourceReading } from './resource-reading.ts'

/** A file as a source found it. */
export interface SourceFile {
  readonly path: string
  /** Null when it could not be read; then `error` says why. */
  readonly text: string | null
  readonly error: string | null
}

export interface FileReading {
  readonly path: string
  readonly resources: readonly ResourceReading[]
  /** Everything found in the file, in the order of lines. */
  readonly problems: readonly Problem[]
  /** Some document could not be read or named: it may have held any resource of this file. */
  readonly uncertain: boolean
  /** By text, for the next reading of the file. */
  readonly documents: ReadonlyMap<string, DocumentReading>
}

const NO_DOCUMENTS: ReadonlyMap<string, DocumentReading> = new Map()

/**
 * Reads a file. Documents that stood in the file at its reading before, wherever, are not parsed and
 * judged again.
 */
export function readFile(
  file: SourceFile,
  options: ReadingOptions,
  before: ReadonlyMap<string, DocumentReading> = NO_DOCUMENTS,
): FileReading {
  const { path, text } = file
  if (text === null) {
    const message = `the file cannot be read: ${file.error ?? 'it has no text'}`
    return unread(path, problemOf(path, message), true)
  }
  const problem = fileProblem(text)
  if (problem !== null) return unread(path, { ...problem, file: path }, true)
  const documents = new Map<string, DocumentReading>()
  const resources: ResourceReading[] = []
  const problems: Problem[] = []
  let uncertain = false
  for (const part of splitDocuments(text)) {
    const known = documents.get(part.text) ?? before.get(part.text)
    const reading =
      (known === undefined ? null : movedReading(known, part.line)) ??
      readDocument(part, path, options)
    documents.set(part.text, reading)
    for (const problem of reading.problems) problems.push(problem)
    for (const resource of reading.resources) {
      resources.push(resource)
      for (const problem of resource.problems) problems.push(problem)
    }
    if (reading.uncertain) uncertain = true
  }
  problems.sort((left, right) => (left.line ?? 0) - (right.line ?? 0))
  return { path, resources, problems, uncertain, documents }
}

function unread(path: string, problem: Problem, uncertain: boolean): FileReading {
  return { path, resources: [], problems: [problem], uncertain, documents: NO_DOCUMENTS }
}

function problemOf(file: string, message: string): Problem {
  return { ...unplacedProblem('error', 'unreadable-file', message, null), file }
}
