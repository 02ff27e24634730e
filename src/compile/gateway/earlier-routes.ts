import type { HttpMatchSpec } from '../../config/kinds/virtual-service.ts'

/** Longer prefixes are not looked for: what they hide is not found. */
const MAX_PREFIX_LENGTH = 256

interface Numbered<T> {
  readonly position: number
  readonly route: T
}

/** Routes by their path condition, so that only those that can cover another one are compared with it. */
export class EarlierRoutes<T> {
  readonly #byPath = new Map<string, Numbered<T>[]>()
  #count = 0

  add(match: HttpMatchSpec, route: T): void {
    const key = pathKey(match)
    const entry = { position: this.#count++, route }
    const present = this.#byPath.get(key)
    if (present === undefined) this.#byPath.set(key, [entry])
    else present.push(entry)
  }

  /** The first added one that `covers` says yes to. */
  find(match: HttpMatchSpec, covers: (route: T) => boolean): T | null {
    let best: Numbered<T> | null = null
    for (const key of candidateKeys(match)) {
      const found = this.#byPath.get(key)?.find(({ route }) => covers(route))
      if (found !== undefined && (best === null || found.position < best.position)) best = found
    }
    return best === null ? null : best.route
  }
}

/** Under which paths a route is found; `*` is compared with everything. */
function pathKey({ uri, ignoreUriCase }: HttpMatchSpec): string {
  if (uri === undefined || ignoreUriCase === true) return '*'
  if (uri.exact !== undefined) return `exact ${uri.exact}`
  if (uri.prefix !== undefined && uri.prefix !== '' && uri.prefix !== '/') {
    return `prefix ${uri.prefix}`
  }
  return uri.regex === undefined || isAnyPath(uri.regex) ? '*' : `regex ${uri.regex}`
}

function candidateKeys({ uri }: HttpMatchSpec): readonly string[] {
  const keys = ['*']
  if (uri?.regex !== undefined) keys.push(`regex ${uri.regex}`)
  if (uri?.exact !== undefined) keys.push(`exact ${uri.exact}`)
  const text = uri?.exact ?? uri?.prefix ?? ''
  const longest = Math.min(text.length, MAX_PREFIX_LENGTH)
  for (let length = 1; length <= longest; length++) keys.push(`prefix ${text.slice(0, length)}`)
  return keys
}

function isAnyPath(regex: string): boolean {
  return regex === '.*' || regex === '/.*'
}
