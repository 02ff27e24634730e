import { boolean, duration, type Infer, list, map, object, string } from '../schema.ts'

const targetReference = object({ group: string, kind: string, name: string, namespace: string })

/** RequestAuthentication (security.istio.io): which tokens requests may carry, and who signs them. */
export const requestAuthenticationSchema = object({
  selector: object({ matchLabels: map(string) }),
  targetRef: targetReference,
  targetRefs: list(targetReference),
  jwtRules: list(
    object({
      issuer: string,
      audiences: list(string),
      jwksUri: string,
      jwks: string,
      fromHeaders: list(object({ name: string, prefix: string })),
      fromParams: list(string),
      fromCookies: list(string),
      outputPayloadToHeader: string,
      outputClaimToHeaders: list(object({ header: string, claim: string })),
      forwardOriginalToken: boolean,
      timeout: duration,
      spaceDelimitedClaims: list(string),
    }),
  ),
})

export type RequestAuthenticationSpec = Infer<typeof requestAuthenticationSchema>
export type JwtRuleSpec = NonNullable<RequestAuthenticationSpec['jwtRules']>[number]
export type TargetReferenceSpec = Infer<typeof targetReference>
