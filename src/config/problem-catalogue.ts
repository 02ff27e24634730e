import { compilationProblems } from './problem-catalogue/compilation.ts'
import { destinationRuleProblems } from './problem-catalogue/destination-rule.ts'
import { documentProblems } from './problem-catalogue/documents.ts'
import type { Catalogue } from './problem-catalogue/entry.ts'
import { gatewayProblems } from './problem-catalogue/gateway.ts'
import { otherKindProblems } from './problem-catalogue/other-kinds.ts'
import { rateLimitPolicyProblems } from './problem-catalogue/rate-limit-policy.ts'
import { requestAuthenticationProblems } from './problem-catalogue/request-authentication.ts'
import { valueProblems } from './problem-catalogue/values.ts'
import { virtualServiceProblems } from './problem-catalogue/virtual-service.ts'

/** The chapters of docs/problems.md. A new code goes into one of them, in any order. */
export const catalogueChapters: readonly (readonly [title: string, codes: Catalogue])[] = [
  ['Files and documents', documentProblems],
  ['Values of several kinds', valueProblems],
  ['Gateway and TLS', gatewayProblems],
  ['VirtualService', virtualServiceProblems],
  ['DestinationRule', destinationRuleProblems],
  ['ServiceEntry, WorkloadEntry, Sidecar, EnvoyFilter', otherKindProblems],
  ['Rate limits', rateLimitPolicyProblems],
  ['Authentication', requestAuthenticationProblems],
  ['Resources together', compilationProblems],
]

/** Every code a Problem may carry. */
export const problemCatalogue: Catalogue = Object.assign(
  {},
  ...catalogueChapters.map(([, codes]) => codes),
)
