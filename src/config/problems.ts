/** What configuration said wrong, or in vain. Data: accumulated and shown, never thrown. */
export interface Problem {
  /** Stable kebab-case code, listed in docs/problems.md. */
  readonly code: string
  readonly severity: Severity
  readonly ref: ResourceRef | null
  /** ["spec", "http", 0, "route", 1, "weight"] */
  readonly path: readonly (string | number)[]
  readonly message: string
  /** What to do about it, or null. */
  readonly hint: string | null
  readonly file: string | null
  /** 1-based. */
  readonly line: number | null
  readonly column: number | null
}

export type Severity = 'error' | 'warning' | 'info'

export interface ResourceRef {
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/** A problem of no resource, to be spread where more is known of its place. */
export function unplacedProblem(
  severity: Severity,
  code: string,
  message: string,
  hint: string | null,
): Problem {
  return {
    code,
    severity,
    ref: null,
    path: [],
    message,
    hint,
    file: null,
    line: null,
    column: null,
  }
}

/** `spec.http[0].route[1].weight` */
export function formatPath(path: readonly (string | number)[]): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (/^[A-Za-z_][\w-]*$/.test(step)) text += text === '' ? step : `.${step}`
    else text += `["${step}"]`
  }
  return text
}

/** A Problem as `validate -o json` and GET /problems print it; these field names are stable. */
export interface ProblemDescription {
  readonly code: string
  readonly severity: Severity
  readonly kind: string | null
  readonly namespace: string | null
  readonly name: string | null
  /** `spec.http[0].route[1].weight`, or '' for the whole resource. */
  readonly path: string
  readonly message: string
  readonly hint: string | null
  readonly file: string | null
  readonly line: number | null
  readonly column: number | null
}

/** The one shape in which a Problem leaves the process as data. */
export function describeProblem(problem: Problem): ProblemDescription {
  const { code, severity, ref, path, message, hint, file, line, column } = problem
  return {
    code,
    severity,
    kind: ref?.kind ?? null,
    namespace: ref?.namespace ?? null,
    name: ref?.name ?? null,
    path: formatPath(path),
    message,
    hint,
    file,
    line,
    column,
  }
}
