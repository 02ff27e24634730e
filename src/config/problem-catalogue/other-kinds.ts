import { error, warning, type Catalogue } from './entry.ts'

/** ServiceEntry, WorkloadEntry, Sidecar, EnvoyFilter. */
export const otherKindProblems: Catalogue = {
  'too-many-hosts': error('A ServiceEntry with more than 256 hosts.', 'Split it.'),
  'duplicate-service-host': warning('A ServiceEntry lists a host twice.', 'Remove one.'),
  'hosts-on-opaque-port': error(
    'Several hosts on a port whose bytes do not say which is meant.',
    'Write one ServiceEntry per host, or set the protocol.',
  ),
  'cidr-host-bits': warning(
    'A CIDR block with bits behind its prefix is read without them.',
    'Write the block as it is read, or a single address.',
  ),
  'cidr-with-dns': error(
    'A CIDR block with a resolution other than NONE and STATIC.',
    'List single addresses.',
  ),
  'service-without-ports': warning('A ServiceEntry without ports.', 'Add ports.'),
  'service-without-endpoints': warning(
    'A STATIC ServiceEntry without endpoints or workloadSelector.',
    'Add endpoints.',
  ),
  'udp-not-served': warning('A UDP port is left out.', 'Remove it.'),
  'resolution-none': warning(
    'Resolution NONE, also by default: a Gateway finds no endpoint.',
    'Write resolution: DNS or STATIC.',
  ),
  'endpoints-not-allowed': error(
    'Endpoints where the resolution leaves no place for them.',
    'Change resolution, or remove endpoints.',
  ),
  'endpoint-not-an-address': error(
    'An endpoint address of a form the resolution does not allow.',
    'Use IP addresses with STATIC, names with DNS.',
  ),
  'wildcard-with-dns': error(
    'A wildcard host that would have to be looked up.',
    'Name the hosts, or give endpoints.',
  ),
  'dynamic-dns': error(
    'A combination that dynamic DNS resolution does not allow.',
    'Correct what the message names.',
  ),
  'unknown-port-name': error(
    'An endpoint names a port the ServiceEntry does not have.',
    'Use a name from ports.',
  ),
  'unix-socket-with-ports': error('A unix socket endpoint with ports.', 'Remove ports.'),
  'workload-without-address': warning(
    'An endpoint with a network and no address is left out.',
    'Give its address.',
  ),
  'egress-order': error(
    'The egress entry without port is not the last one.',
    'Move it to the end; only one may leave port out.',
  ),
  'outbound-policy-default': warning(
    'outboundTrafficPolicy without mode is REGISTRY_ONLY.',
    'Write the mode.',
  ),
  'envoy-filter-without-patches': warning('An EnvoyFilter without patches.', 'Delete it.'),
  'invalid-patch-operation': error(
    'INSERT_* on something that is no list of filters or routes.',
    'Use ADD or MERGE.',
  ),
  'filter-after-router': warning(
    'The patch puts a filter behind the router, where it never runs.',
    'Use INSERT_BEFORE with subFilter envoy.filters.http.router.',
  ),
  'patch-value-unused': warning('REMOVE with a value.', 'Remove the value.'),
  'wrong-match-object': error(
    'The match names an object that applyTo does not patch.',
    'Use the object the message names.',
  ),
}
