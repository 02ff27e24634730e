/** Directory of Let's Encrypt (RFC 8555 7.1.1). */
export const LETS_ENCRYPT = 'https://acme-v02.api.letsencrypt.org/directory'

/** Names people know instead of URLs. */
const NAMED: Readonly<Record<string, string>> = {
  letsencrypt: LETS_ENCRYPT,
  'letsencrypt-staging': 'https://acme-staging-v02.api.letsencrypt.org/directory',
}

/** URL of the directory that is meant by a name or by an https URL, or null. */
export function acmeDirectory(text: string): string | null {
  if (Object.hasOwn(NAMED, text)) return NAMED[text] ?? null
  const url = URL.parse(text)
  return url !== null && url.protocol === 'https:' && url.username === '' && url.password === ''
    ? url.href
    : null
}
