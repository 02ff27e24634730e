import { readFileSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { parseDocuments } from '../../config/document.ts'
import { DocumentFindings } from '../../config/document-findings.ts'
import { DocumentLocation } from '../../config/document-location.ts'
import { formatPath, type Problem, unplacedProblem } from '../../config/problems.ts'
import { checkShape } from '../../config/shape.ts'
import { CallProblem, checkCall, type ExplainCall, parseCallUrl } from '../../explain/call.ts'
import {
  caseFileSchema,
  type CaseFileSpec,
  type CaseSpec,
  type Expectation,
  labelsSchema,
} from './case-schema.ts'

type Path = readonly (string | number)[]
type Labels = Readonly<Record<string, string>>

export interface RouteCase {
  readonly name: string
  readonly call: ExplainCall
  readonly expect: Expectation
  readonly file: string
  /** 1-based line of the case. */
  readonly line: number
  /** Line of a field below `expect`. */
  lineOf(path: Path): number
}

/** A case file as read: its paths are relative to the working folder, as `path` is; what it does not say is null. */
export interface CaseFile {
  readonly path: string
  readonly configuration: readonly string[]
  readonly labels: readonly Labels[] | null
  readonly namespace: string | null
  readonly domain: string | null
  readonly meshConfig: string | null
  readonly compat: boolean | null
  readonly cases: readonly RouteCase[]
}

/** A file of more cases is a program, not a table. */
const MAX_CASES = 100_000
const EXAMPLE = 'write cases: [{ name: ..., request: { url: ... }, expect: { ... } }]'

/** Reads a case file, or says what is wrong with it, with file and line. Never throws. */
export function readCaseFile(path: string): CaseFile | readonly Problem[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return [fileProblem(path, `the case file cannot be read: ${message}`, 'check the path')]
  }
  return parseCaseFile(text, path)
}

/** The text of a case file; `path` is what its own paths are relative to. */
export function parseCaseFile(text: string, path: string): CaseFile | readonly Problem[] {
  const { documents, problems } = parseDocuments(text, path)
  const [document, second] = documents
  const broken = [...problems, ...(document?.problems ?? [])].filter(isError)
  if (broken.length > 0) return broken
  if (document === undefined) return [fileProblem(path, 'the case file is empty', EXAMPLE)]
  if (second !== undefined) {
    const problem = fileProblem(path, 'a case file is one document', 'delete the `---` line')
    return [{ ...problem, line: second.line }]
  }
  const location = new DocumentLocation(path, document.positions)
  const findings = new DocumentFindings(location)
  const options = {
    path: [],
    compat: false,
    unknownFields: 'refuse',
    showValues: true,
    sink: findings,
  } as const
  const { value, ok } = checkShape(caseFileSchema, document.value, options)
  if (!ok || value === null) return findings.bounded().filter(isError)
  reportEmptyExpectations(document.value, findings)
  const reading = new CaseReading(value as CaseFileSpec, location, findings)
  const file = reading.file(path)
  return findings.failed ? findings.bounded().filter(isError) : file
}

function isError({ severity }: Problem): boolean {
  return severity === 'error'
}

function fileProblem(file: string, message: string, hint: string): Problem {
  return { ...unplacedProblem('error', 'bad-case-file', message, hint), file }
}

/** A field table takes null and `[]` for absent: here they would let every request pass. */
function reportEmptyExpectations(document: unknown, findings: DocumentFindings): void {
  const { cases } = document as { readonly cases?: unknown }
  for (const [index, one] of (Array.isArray(cases) ? cases : []).entries()) {
    const { expect } = one as { readonly expect?: object | null }
    for (const [name, value] of Object.entries(expect ?? {})) {
      if (value !== null && !(Array.isArray(value) && value.length === 0)) continue
      const path = ['cases', index, 'expect', name]
      const hint = 'write what is expected, or delete the field'
      findings.report('error', 'bad-case-file', path, `${formatPath(path)} is empty`, hint)
    }
  }
}

/** What a field table cannot say. */
class CaseReading {
  readonly #spec: CaseFileSpec
  readonly #location: DocumentLocation
  readonly #findings: DocumentFindings
  readonly #names = new Set<string>()

  constructor(spec: CaseFileSpec, location: DocumentLocation, findings: DocumentFindings) {
    this.#spec = spec
    this.#location = location
    this.#findings = findings
  }

  file(path: string): CaseFile {
    const spec = this.#spec
    const beside = (one: string): string => (isAbsolute(one) ? one : join(dirname(path), one))
    const cases = spec.cases ?? []
    if (cases.length === 0) this.#error(['cases'], 'the file has no cases', EXAMPLE)
    if (cases.length > MAX_CASES) {
      this.#error(['cases'], `there are more than ${MAX_CASES} cases`, 'split the file')
    }
    const configuration = (spec.configuration ?? []).map(beside)
    for (const [index, one] of configuration.entries()) this.#exists(one, ['configuration', index])
    const meshConfig = spec.meshConfig === undefined ? null : beside(spec.meshConfig)
    if (meshConfig !== null) this.#exists(meshConfig, ['meshConfig'])
    return {
      path,
      configuration,
      labels: this.#labels(),
      namespace: spec.namespace ?? null,
      domain: spec.domain ?? null,
      meshConfig,
      compat: spec.compat ?? null,
      cases: cases.slice(0, MAX_CASES).flatMap((one, index) => this.#case(one, index, path)),
    }
  }

  #exists(path: string, field: Path): void {
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) return
    const hint = 'paths are relative to the folder of the case file'
    this.#error(field, `there is no file or folder ${path}`, hint)
  }

  #labels(): readonly Labels[] | null {
    const { labels } = this.#spec
    if (labels === undefined) return null
    const { value, ok } = checkShape(labelsSchema, Array.isArray(labels) ? labels : [labels], {
      path: ['labels'],
      compat: false,
      unknownFields: 'refuse',
      showValues: true,
      sink: this.#findings,
    })
    return ok ? (value as readonly Labels[] | null) : null
  }

  #case(spec: CaseSpec, index: number, file: string): RouteCase[] {
    const at = ['cases', index]
    const name = (spec.name ?? '').trim()
    if (name === '') this.#error(at, 'the case has no name', 'write name: what the case shows')
    else if (this.#names.has(name)) {
      this.#error([...at, 'name'], `another case is named "${name}" too`, 'give each its own name')
    }
    this.#names.add(name)
    const expect = spec.expect ?? {}
    if (Object.keys(expect).length === 0) {
      const hint = 'write for example expect: { route: NAME }, or expect: { status: 404 }'
      this.#error(at, 'the case expects nothing', hint)
    }
    const call = this.#call(spec.request ?? {}, [...at, 'request'])
    this.#checkExpectation(expect, [...at, 'expect'])
    const location = this.#location
    if (call === null) return []
    const lineOf = (path: Path): number => location.lineOf([...at, 'expect', ...path])
    return [{ name, call, expect, file, line: location.lineOf(at), lineOf }]
  }

  #call(request: NonNullable<CaseSpec['request']>, path: Path): ExplainCall | null {
    const { url } = request
    if (url === undefined) {
      this.#error(path, 'the request has no url', 'write url: http://HOST/PATH')
      return null
    }
    const { method = 'GET', headers = {}, sni = null, port = null, egress = false } = request
    const call: ExplainCall = {
      method,
      url,
      headers: Object.entries(headers),
      sni,
      port,
      egress,
      from: request.from ?? null,
    }
    const wrong = checkCall(call) ?? urlProblem(call) ?? portProblem(port)
    if (wrong === null) return call
    this.#error(path, wrong.message, wrong.hint)
    return null
  }

  #checkExpectation(expect: Expectation, path: Path): void {
    if (expect.cluster !== undefined && expect.destinations !== undefined) {
      const hint = 'give cluster for one destination, destinations for a split'
      this.#error([...path, 'cluster'], 'cluster and destinations are both expected', hint)
    }
    for (const [index, one] of (expect.destinations ?? []).entries()) {
      if (one.host !== undefined || one.cluster !== undefined) continue
      const at = [...path, 'destinations', index]
      this.#error(at, 'the destination names neither host nor cluster', 'write host: NAME')
    }
  }

  #error(path: Path, message: string, hint: string): void {
    this.#findings.report('error', 'bad-case-file', path, message, hint)
  }
}

function urlProblem({ method, url }: ExplainCall): CallProblem | null {
  if (method === 'CONNECT' && !url.includes('://')) return null
  const parsed = parseCallUrl(url)
  return parsed instanceof CallProblem ? parsed : null
}

const MAX_PORT = 65_535

function portProblem(port: number | null): CallProblem | null {
  if (port === null || (port >= 1 && port <= MAX_PORT)) return null
  return new CallProblem(`${port} is not a port`, 'give a number from 1 to 65535')
}
