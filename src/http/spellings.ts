/**
 * How a message spelled its field names: lower-case name to the letters as sent. Kept only under
 * ProxyConfig.proxyHeaders.preserveHttp1HeaderCase; HTTP/2 knows lower-case names alone.
 */
export type Spellings = ReadonlyMap<string, string>

/** Reads the names of the field lines from `start` on, which were found valid before. */
export function readSpellings(head: string, start: number): Spellings {
  const spellings = new Map<string, string>()
  let at = start
  while (at < head.length) {
    const lineEnd = head.indexOf('\r\n', at)
    const name = head.slice(at, head.indexOf(':', at))
    const lower = name.toLowerCase()
    if (!spellings.has(lower)) spellings.set(lower, name)
    at = lineEnd + 2
  }
  return spellings
}

/** Field lines with lower-case names, as they go on the wire: those known get their letters back. */
export function respell(lines: string, spellings: Spellings): string {
  let out = ''
  let at = 0
  while (at < lines.length) {
    const colon = lines.indexOf(':', at)
    const next = lines.indexOf('\r\n', at) + 2
    const name = lines.slice(at, colon)
    out += (spellings.get(name) ?? name) + lines.slice(colon, next)
    at = next
  }
  return out
}
