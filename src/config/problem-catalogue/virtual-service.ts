import { error, info, warning, type Catalogue } from './entry.ts'

/** VirtualService. */
export const virtualServiceProblems: Catalogue = {
  'duplicate-host': error(
    'Two hosts of one VirtualService cover each other.',
    'Keep the wider one, or write two VirtualServices.',
  ),
  'wildcard-host-on-mesh': error(
    'The host * in a VirtualService bound to the mesh.',
    'List gateways without mesh, or name the hosts.',
  ),
  'gateway-only-short-host': info(
    'A cluster-internal name in a VirtualService that applies at gateways only.',
    'Add mesh to gateways if requests from inside should obey it too.',
  ),
  'delegate-field-ignored': warning(
    'tls or tcp rules in a delegate: only http rules are delegated to.',
    'Move them to a VirtualService with hosts.',
  ),
  'nested-delegate': error(
    'A delegate that delegates: there is one level only.',
    'Name the last VirtualService in the one that has hosts.',
  ),
  'invalid-delegate-name': error(
    'delegate names something that cannot be a name or namespace.',
    'Write the metadata.name of a VirtualService without hosts.',
  ),
  'invalid-gateway-name': error(
    'A gateway is named in no known form.',
    'Write name, namespace/name, ./name or mesh.',
  ),
  'legacy-gateway-name': warning('A gateway named name.namespace.svc...', 'Write namespace/name.'),
  'virtual-service-without-rules': warning(
    'http, tls and tcp are all empty.',
    'Add a rule, or delete the VirtualService.',
  ),
  'unreachable-rule': warning(
    'A rule is never used: an earlier one takes every request it matches.',
    'Move the narrower rule up, or delete it.',
  ),
  'unreachable-match': warning(
    'A match entry is never used: an earlier one takes every request it matches.',
    'Move it up, or delete it.',
  ),
  'duplicate-route-name': warning('Two http rules have the same name.', 'Rename one.'),
  'empty-match': warning(
    'A match without exact, prefix or regex puts no condition.',
    'Fill it in, or remove it.',
  ),
  'invalid-match': error('A match that cannot be read.', 'Correct what the message names.'),
  'match-never-true': warning(
    'A match that no request fulfils: a path without "/", with a query, a method in lower case.',
    'Write it as requests have it.',
  ),
  'field-name-as-header': warning(
    'A field of the match (uri, method ...) stands under headers.',
    'Move it up one level.',
  ),
  'jwt-claim-on-mesh': error(
    'A match on JWT claims in a VirtualService that is bound to mesh, where no token is validated.',
    'List the Gateways it is for.',
  ),
  'source-match-on-gateway': warning(
    'sourceLabels and sourceNamespace describe the gateway itself, not the client.',
    'Match a header.',
  ),
  'invalid-redirect-code': error(
    'A redirect code other than 301, 302, 303, 307, 308.',
    'Use one of these.',
  ),
  'invalid-redirect-scheme': error(
    'A redirect scheme other than http or https.',
    'Use one of these.',
  ),
  'prefix-rewrite-without-prefix': error(
    'prefixRewrite in a rule with a match that is no prefix.',
    'Use redirect.uri, or match prefixes only.',
  ),
  'invalid-rewrite': error(
    'A rewrite refers to a group that does not exist or has a stray backslash.',
    'Correct the rewrite.',
  ),
  'rewrite-double-slash': warning(
    'A prefix without closing slash is replaced by text with one: paths get //.',
    'Match the prefix with its slash.',
  ),
  'rewrite-missing-slash': warning(
    'A prefix with closing slash is replaced by text without: path segments run together.',
    'End the rewrite with a slash.',
  ),
  'invalid-base64': error('directResponse.body.bytes is not base64.', 'Encode it, or use string.'),
  'response-body-too-large': error('A directResponse body above 1 MB.', 'Serve it from a backend.'),
  'response-body-large': warning(
    'A directResponse body above 100 KB.',
    'Better serve it from a backend.',
  ),
  'retries-without-attempts': error(
    'Retry settings with attempts 0, which switches retries off.',
    'Set attempts, or remove the others.',
  ),
  'invalid-retry-on': error('retryOn names no known condition.', 'Use one the message lists.'),
  'retry-condition-without-effect': warning(
    'A condition of retryOn that no answer can meet.',
    'Remove it.',
  ),
  'per-try-timeout-too-long': warning(
    'perTryTimeout is not shorter than timeout, so it never ends a try.',
    'Make it shorter.',
  ),
  'fault-percentage-missing': warning(
    'A fault without percentage applies to no request.',
    'Write the percentage.',
  ),
  'unsupported-fault': error('A kind of fault that Istio does not inject either.', 'Use another.'),
  'cors-credentials-for-any-origin': warning(
    'A CORS policy lets every web site use the cookies of its visitors.',
    'List the origins, or leave allowCredentials out.',
  ),
  'cors-without-route': warning(
    'A CORS policy on a redirect or a direct response, where it has no effect.',
    'Move it, or set the headers with headers.response.',
  ),
  'invalid-method': error('A CORS method that is no HTTP method.', 'Write it in upper case.'),
  'sni-outside-hosts': error(
    'An SNI host that is not covered by the hosts of the VirtualService.',
    'Add it to hosts.',
  ),
  'sni-host-claimed': warning(
    'An SNI host that an earlier tls rule takes already.',
    'Remove it from one of the two.',
  ),
}
