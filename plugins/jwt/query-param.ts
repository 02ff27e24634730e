/** Values of a parameter, decoded; `query` begins with `?`, `name` is in bytes. */
export function paramValues(query: string, name: string): readonly string[] {
  const values: string[] = []
  for (const pair of query.slice(1).split('&')) {
    if (nameOf(pair) !== name) continue
    const equals = pair.indexOf('=')
    values.push(equals < 0 ? '' : decoded(pair.slice(equals + 1)))
  }
  return values
}

/** The query without a parameter, or with `instead` for its value. '' when nothing is left. */
export function withoutParam(query: string, name: string, instead: string | null): string {
  const pairs = query.slice(1).split('&')
  if (!pairs.some((pair) => nameOf(pair) === name)) return query
  const kept: string[] = []
  for (const pair of pairs) {
    if (nameOf(pair) !== name) kept.push(pair)
    else if (instead !== null) kept.push(`${name}=${instead}`)
  }
  return kept.length === 0 ? '' : `?${kept.join('&')}`
}

function nameOf(pair: string): string {
  const equals = pair.indexOf('=')
  return decoded(equals < 0 ? pair : pair.slice(0, equals))
}

const ESCAPE = /%([0-9a-fA-F]{2})/g

/** Bytes stay bytes; a broken escape is left as it stands. */
function decoded(text: string): string {
  if (!text.includes('%')) return text
  return text.replace(ESCAPE, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}
