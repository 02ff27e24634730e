import type { EnvoyFilterSpec } from '../config/kinds/envoy-filter.ts'
import type { Problem, Severity } from '../config/problems.ts'
import { refOf, type Resource } from '../config/resource.ts'
import type { ConfigMapView, FilterCompileContext } from '../filters/filter.ts'
import { compileStringMatch } from '../routing/string-match.ts'
import type { PatchSource } from './envoy-filters-patch.ts'

type Path = readonly (string | number)[]

/** Findings about EnvoyFilters. Many routes share a patch: each finding is said once. */
export class PatchReporter {
  readonly #report: (problem: Problem) => void
  readonly #resources = new Map<string, Resource<EnvoyFilterSpec>>()
  readonly #reported = new Set<string>()

  constructor(report: (problem: Problem) => void) {
    this.#report = report
  }

  /** About one patch. */
  at(
    source: PatchSource,
    severity: Severity,
    code: string,
    path: Path,
    message: string,
    hint: string | null,
  ): void {
    this.on(source.resource, { severity, code, path, message, hint })
  }

  /** About a whole EnvoyFilter. */
  on(
    resource: Resource<EnvoyFilterSpec>,
    finding: Pick<Problem, 'severity' | 'code' | 'path' | 'message' | 'hint'>,
  ): void {
    const { location } = resource
    this.#once({
      ...finding,
      ref: refOf(resource),
      file: location.file,
      line: location.lineOf(finding.path),
      column: null,
    })
  }

  /** Findings of filters about settings of this resource get the line of the very field. */
  know(resource: Resource<EnvoyFilterSpec>): void {
    const { kind, metadata } = resource
    this.#resources.set(`${kind}/${metadata.namespace}/${metadata.name}`, resource)
  }

  /** What filter factories see while they compile. */
  contextFor(
    configMaps: readonly ConfigMapView[],
    findService: FilterCompileContext['findService'],
  ): FilterCompileContext {
    return {
      configMaps,
      findService,
      stringMatcher: (match) => compileStringMatch(match, { ignoreCase: false }),
      report: ({ code, severity, origin, message, hint }) => {
        const { kind, namespace, name, path } = origin
        const resource = this.#resources.get(`${kind}/${namespace}/${name}`)
        this.#once({
          code,
          severity,
          ref: { kind, namespace, name },
          path,
          message,
          hint,
          file: origin.file,
          line: resource?.location.lineOf(path) ?? origin.line,
          column: null,
        })
      },
    }
  }

  #once(problem: Problem): void {
    const { ref, path, code, message } = problem
    const key = [ref?.kind, ref?.namespace, ref?.name, path.join('.'), code, message].join('\n')
    if (this.#reported.has(key)) return
    this.#reported.add(key)
    this.#report(problem)
  }
}
