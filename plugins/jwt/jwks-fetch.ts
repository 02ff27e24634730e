/** Bytes of a key set or a discovery document. */
export const MAX_DOCUMENT_BYTES = 1_048_576

const DISCOVERY = '/.well-known/openid-configuration'

/** Where keys are found: a URL of their own, or the issuer says where (OpenID Connect Discovery 4). */
export interface KeyPlace {
  readonly url: string
  readonly discovers: boolean
}

export function keyPlaceOf(rule: { issuer: string; jwksUri: string }): KeyPlace | null {
  if (rule.jwksUri !== '') return { url: rule.jwksUri, discovers: false }
  if (!/^https?:\/\//.test(rule.issuer) || !URL.canParse(rule.issuer)) return null
  return { url: rule.issuer.replace(/\/+$/, '') + DISCOVERY, discovers: true }
}

/** The text of the key set. Throws with one line that says what is wrong. */
export async function fetchJwks(place: KeyPlace, signal: AbortSignal): Promise<string> {
  const text = await fetchText(place.url, signal)
  if (!place.discovers) return text
  const uri = jwksUriOf(text)
  if (place.url.startsWith('https:') && !uri.startsWith('https:')) {
    throw new Error('the discovery document leads from https to http')
  }
  return fetchText(uri, signal)
}

function jwksUriOf(text: string): string {
  const found: unknown = JSON.parse(text)
  const uri = typeof found === 'object' && found !== null ? Reflect.get(found, 'jwks_uri') : null
  if (typeof uri !== 'string' || !/^https?:\/\//.test(uri)) {
    throw new Error('the discovery document names no jwks_uri')
  }
  return uri
}

async function fetchText(url: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, { signal, headers: { accept: 'application/json' } })
  if (url.startsWith('https:') && !response.url.startsWith('https:')) {
    await response.body?.cancel()
    throw new Error('redirected from https to http')
  }
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel()
    throw new Error(`answered ${response.status}`)
  }
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body) {
    size += chunk.byteLength
    // Leaving the loop cancels the rest.
    if (size > MAX_DOCUMENT_BYTES) throw new Error(`more than ${MAX_DOCUMENT_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
