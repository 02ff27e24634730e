import { error, info, warning, type Catalogue } from './entry.ts'

/** DestinationRule. */
export const destinationRuleProblems: Catalogue = {
  'duplicate-subset': error('Two subsets have the same name.', 'Rename one.'),
  'duplicate-port-settings': warning(
    'A second portLevelSettings entry for one port is never used.',
    'Merge the two.',
  ),
  'port-level-replaces': info(
    'The settings of a port replace the whole policy above them.',
    'Repeat the blocks that should apply to the port.',
  ),
  'invalid-tunnel': error('A tunnel protocol other than CONNECT and POST.', 'Use one of these.'),
  'invalid-cookie': error('A hash cookie that no browser would take.', 'Correct the cookie.'),
  'warmup-without-effect': warning(
    'warmup with a load balancer that does not know it.',
    'Use ROUND_ROBIN or LEAST_REQUEST.',
  ),
  'invalid-locality': error(
    'A locality is not region/zone/subzone, or overlaps with another.',
    'Correct the locality.',
  ),
  'failover-without-outlier-detection': warning(
    'Failover needs outlierDetection to know what failed.',
    'Add outlierDetection.',
  ),
  'local-origin-without-split': error(
    'consecutiveLocalOriginFailures without splitExternalLocalOriginErrors.',
    'Set splitExternalLocalOriginErrors: true.',
  ),
  'consecutive-5xx-active': warning(
    'consecutive5xxErrors keeps its default of 5 beside consecutiveGatewayErrors.',
    'Write consecutive5xxErrors: 0 to switch it off.',
  ),
  'ejection-percent-default': warning(
    'maxEjectionPercent defaults to 10, which small services hardly notice.',
    'Set maxEjectionPercent; 50 or more for 2 to 5 endpoints.',
  ),
  'tls-verification-off': warning(
    'insecureSkipVerify: the server certificate is not verified.',
    'Name the CA instead.',
  ),
  'tls-name-not-checked': warning(
    'An explicit sni without subjectAltNames: a certificate of any name passes.',
    'Add subjectAltNames.',
  ),
}
