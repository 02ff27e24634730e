/** Why a token is refused: constants, with Envoy's texts where it has one. */
export class JwtFailure {
  /** For metrics. */
  readonly reason: string
  /** Body of the answer. */
  readonly text: string
  readonly status: number
  /** Envoy's response code details. */
  readonly details: string

  constructor(reason: string, text: string, status = 401) {
    this.reason = reason
    this.text = text
    this.status = status
    this.details = `jwt_authn_access_denied{${text.replaceAll(' ', '_')}}`
  }
}

export const BAD_FORMAT = new JwtFailure(
  'malformed',
  'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
)
export const TOO_LARGE = new JwtFailure('malformed', 'Jwt is too large')
export const BAD_HEADER = new JwtFailure('malformed', 'Jwt header is an invalid JSON')
export const BAD_ALGORITHM = new JwtFailure('malformed', 'Jwt header [alg] is not supported')
export const BAD_KEY_ID = new JwtFailure('malformed', 'Jwt header [kid] field is not a string')
export const CRITICAL_HEADER = new JwtFailure('malformed', 'Jwt header [crit] is not supported')
export const BAD_PAYLOAD = new JwtFailure('malformed', 'Jwt payload is an invalid JSON')
export const BAD_CLAIM_TYPE = new JwtFailure(
  'malformed',
  'Jwt payload has a registered claim of a wrong type',
)
export const SEVERAL_TOKENS = new JwtFailure('several', 'Several Jwts in one request')
export const UNKNOWN_ISSUER = new JwtFailure('issuer', 'Jwt issuer is not configured')
export const NOT_YET_VALID = new JwtFailure('not_yet_valid', 'Jwt not yet valid')
export const EXPIRED = new JwtFailure('expired', 'Jwt is expired')
/** The client is known and may not: Envoy's one 403. */
export const WRONG_AUDIENCE = new JwtFailure('audience', 'Audiences in Jwt are not allowed', 403)
export const NO_KEYS = new JwtFailure('jwks', 'Jwks remote fetch is failed')
export const NO_MATCHING_KEY = new JwtFailure(
  'key',
  "Jwks doesn't have key to match kid or alg from Jwt",
)
export const BAD_SIGNATURE = new JwtFailure('signature', 'Jwt verification fails')
