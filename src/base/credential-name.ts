/** Names of headers, cookies and parameters whose value may be a credential. */
const CREDENTIAL = /auth|cookie|credential|key|password|secret|session|token/i

/** What names of claims begin with in route conditions: it says nothing of the claim. */
const CLAIMS = /^@request\.auth\.claims/

/** Values under such a name are not shown. */
export function isCredentialName(name: string): boolean {
  return CREDENTIAL.test(name.replace(CLAIMS, ''))
}
