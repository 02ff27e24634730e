import { either, error, info, warning, type Catalogue } from './entry.ts'

/** RequestAuthentication, and what is built on claims. */
export const requestAuthenticationProblems: Catalogue = {
  'too-many-jwt-rules': error(
    'More JWT rules than a token can be held against.',
    'Split the resource.',
  ),
  'target-not-a-gateway': warning(
    'A target of a RequestAuthentication that is nothing this gateway serves.',
    'Name a Gateway, or select the gateway with selector.matchLabels.',
  ),
  'invalid-url': error('No http or https URL.', 'Correct it.'),
  'invalid-jwks': error(
    'A JSON Web Key Set that cannot be read.',
    'Write {"keys": [...]}, as the issuer publishes it.',
  ),
  'jwks-uri-unused': warning('Keys are written out, and a place to fetch them from.', 'Keep one.'),
  'jwks-over-http': info(
    'Keys that decide whom to believe come over plain HTTP.',
    'Use https where the way is not trusted.',
  ),
  'jwt-keys-unknown': warning(
    'An issuer that is no URL, without jwks and jwksUri: all its tokens are refused.',
    'Add jwksUri or jwks.',
  ),
  'duplicate-output-header': error(
    'Two claims, or the payload and a claim, go to one header.',
    'Use another header.',
  ),
  'invalid-claim': error(
    'A text that names no claim.',
    'Write sub, realm.roles, or [realm][roles] where names hold dots.',
  ),
  'request-authentication-ignored': either(
    ['warning', 'info'],
    'A RequestAuthentication that reaches no Gateway of this process: its tokens are not checked.',
    "Put it into the gateway's namespace or the root namespace, and see that its selector or target matches.",
  ),
  'request-authentication-withheld': error(
    'A RequestAuthentication with errors that was never good: its tokens are refused.',
    'Mend its errors.',
  ),
  'claims-without-authentication': warning(
    'A condition on claims where no RequestAuthentication validates tokens: claims are absent there.',
    'Add a RequestAuthentication that applies to the gateway.',
  ),
}
