import { error, warning, type Catalogue } from './entry.ts'

/** Codes that several Istio kinds share. */
export const valueProblems: Catalogue = {
  'missing-field': error('A field the resource cannot do without is absent.', 'Add the field.'),
  'conflicting-fields': error(
    'Two fields are set of which only one may be.',
    'Keep the one that is meant.',
  ),
  'empty-block': error(
    'A block is written with nothing in it.',
    'Fill it in, or remove it: absent is not the same as empty.',
  ),
  'deprecated-field': warning(
    'A field of an old release; the message says what it does now.',
    'Use the field that replaces it.',
  ),
  'deprecated-value': warning('A value under its old name.', 'Write the new name.'),
  'invalid-address': error(
    'Text where an IP address, CIDR block or other address belongs.',
    'Correct the address.',
  ),
  'invalid-host': error(
    'Text that is no host name, or a form of host that is not allowed here.',
    'Write a DNS name, "*.domain", or what the message asks for.',
  ),
  'invalid-port': error('A port number is not in 1..65535.', 'Correct the number.'),
  'invalid-port-name': error(
    'A port name has characters that names cannot have.',
    'Use letters, digits and dashes.',
  ),
  'duplicate-port': error('Two ports have the same number.', 'Remove or renumber one.'),
  'duplicate-port-name': error('Two ports have the same name.', 'Rename one.'),
  'invalid-protocol': error('A port protocol nobody knows.', 'Use one the message lists.'),
  'invalid-number': error('A number is outside its range.', 'Correct the number.'),
  'invalid-percentage': error('A percentage is not in 0..100.', 'Correct the number.'),
  'invalid-duration': error(
    'A duration is outside its range or finer than the field can say.',
    'Correct the duration.',
  ),
  'invalid-status': error('A status code or name is out of range.', 'Use a status that exists.'),
  'invalid-label': error(
    'A label key or value breaks the grammar of Kubernetes, or a selector has a wildcard.',
    'Correct the label; selectors compare whole keys and values.',
  ),
  'invalid-export-to': error(
    'exportTo has a value that is no namespace, or mixes values that exclude each other.',
    'Use ".", "*" alone, or namespace names.',
  ),
  'duplicate-export-to': error('exportTo says the same namespace twice.', 'Remove one.'),
  'invalid-weight': error('A weight is negative or the weights do not add up.', 'Correct them.'),
  'invalid-subset-name': error('A subset name is not a DNS label.', 'Rename the subset.'),
  'invalid-header-name': error(
    'A header name is not a token, or this header cannot be changed here.',
    'Correct the name.',
  ),
  'invalid-header-value': error(
    'A header value or URL part has control characters or a malformed %COMMAND%.',
    'Correct the value; write %% for a percent sign.',
  ),
  'connection-header': error(
    'A header operation on a framing or hop-by-hop header.',
    'Remove the operation: the proxy writes these headers for each connection.',
  ),
  'empty-header-value': warning(
    'A header with an empty value is not written.',
    'Give it a value, or use remove.',
  ),
  'invalid-regex': error(
    'A pattern is not an RE2 expression.',
    'Rewrite it without look-around and back-references; ".*" is "any text".',
  ),
  'regex-too-large': error(
    'A pattern has more than 1024 characters.',
    'Split it over several match entries.',
  ),
  'wildcard-destination': warning(
    'A destination with a wildcard works only with a ServiceEntry of exactly that host.',
    'Name the host to send to.',
  ),
  'weight-missing': warning(
    'One of several destinations has no weight: it gets no traffic.',
    'Set its weight or remove it.',
  ),
  'zero-total-weight': error(
    'The weights of several destinations add up to 0.',
    'Give at least one destination a weight.',
  ),
}
