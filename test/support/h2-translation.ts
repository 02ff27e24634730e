import { GET_FIELDS } from './h2-frames.ts'

/** An HTTP/1.1 request as HTTP/2 would carry it: pseudo fields, then the others as they are. */
export interface TranslatedRequest {
  readonly fields: readonly (readonly [string, string])[]
  /** latin1 */
  readonly body: string
}

/**
 * Translates the first request of `bytes`; what follows its head becomes its body. Framing and
 * hop-by-hop fields stay as they are, for HTTP/2 must refuse or ignore them itself. null when the
 * head does not even consist of lines with names and values.
 */
export function translateToHttp2(bytes: string): TranslatedRequest | null {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd === -1) return null
  const [first = '', ...lines] = bytes.slice(0, headEnd).split('\r\n')
  const [method, path, version, ...more] = first.split(' ')
  if (!method || !path || version !== 'HTTP/1.1' || more.length > 0) return null
  const fields: [string, string][] = []
  let authority: string | null = null
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon < 1) return null
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')
    if (name === 'host' && authority === null) authority = value
    else fields.push([name, value])
  }
  const pseudo = new Map(GET_FIELDS)
  pseudo.set(':method', method)
  pseudo.set(':path', path)
  if (authority === null) pseudo.delete(':authority')
  else pseudo.set(':authority', authority)
  return { fields: [...pseudo, ...fields], body: bytes.slice(headEnd + 4) }
}
