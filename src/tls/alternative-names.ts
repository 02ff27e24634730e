/** One entry of a certificate's subjectAltName. */
export interface AlternativeName {
  /** As OpenSSL prints it: `DNS`, `URI`, `IP Address`, `email`, ... */
  readonly type: string
  readonly value: string
}

/** Entries of Node's printed subjectAltName; unusual values come JSON-quoted there. */
export function alternativeNames(printed: string | undefined): readonly AlternativeName[] {
  const names: AlternativeName[] = []
  for (const entry of (printed ?? '').match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? []) {
    const text = entry.trim()
    const colon = text.indexOf(':')
    const value = unquoted(text.slice(colon + 1))
    if (colon !== -1 && value !== null) names.push({ type: text.slice(0, colon), value })
  }
  return names
}

/** First URI, such as the SPIFFE id of a workload, or null. */
export function firstUri(printed: string | undefined): string | null {
  return alternativeNames(printed).find(({ type }) => type === 'URI')?.value ?? null
}

function unquoted(text: string): string | null {
  if (!text.startsWith('"')) return text
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'string' ? value : null
  } catch {
    return null
  }
}
