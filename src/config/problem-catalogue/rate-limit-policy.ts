import { error, warning, type Catalogue } from './entry.ts'

/** RateLimitPolicy, and local rate limits of EnvoyFilters. */
export const rateLimitPolicyProblems: Catalogue = {
  'rate-limit-policy-too-large': error(
    'More rules, limits or conditions than a request can be held against.',
    'Split the policy.',
  ),
  'invalid-target': error('A targetRef that names nothing a policy applies to.', 'Correct it.'),
  'invalid-rule-name': error(
    'A rule name that cannot stand in a header or a metric.',
    'Use lower-case letters, digits and inner dashes.',
  ),
  'duplicate-rule-name': error('Two rules of a policy have one name.', 'Rename one.'),
  'duplicate-limit': error('Two limits of a rule have one period.', 'Keep the lower one.'),
  'cost-never-fits': error(
    'A request may cost more than a limit ever admits at once.',
    'Raise requests or burst, or lower the cost.',
  ),
  'rate-limit-never-enabled': warning(
    'A local rate limit without filter_enabled, which is off by default.',
    'Write filter_enabled and filter_enforced.',
  ),
  'invalid-cidr': error('No address and no CIDR block.', 'Write 10.0.0.0/8 or an address.'),
  'rate-limit-policy-unmatched': warning(
    'The target of a policy does not exist, or no route of it is served: nothing is limited.',
    'Correct targetRef; policy and target share a namespace.',
  ),
}
