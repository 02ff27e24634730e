import { either, error, info, warning, type Catalogue } from './entry.ts'

/** What shows only when all resources are looked at together. */
export const compilationProblems: Catalogue = {
  // Gateways and listeners
  'every-gateway-served': info(
    'No own labels are given, so every Gateway is served.',
    'Run with --labels to choose.',
  ),
  'gateway-ignored': warning(
    'The selector of a Gateway does not match the own labels.',
    'Correct the selector or --labels.',
  ),
  'gateway-not-found': warning(
    'A VirtualService names a Gateway that does not exist.',
    'Write namespace/name if it stands elsewhere.',
  ),
  'gateway-server-conflict': error(
    'A Gateway server cannot share its port with an older one and is left out.',
    'Give it another port, or other hosts.',
  ),
  'gateway-server-without-routes': info(
    'No VirtualService is bound to the hosts of a server.',
    'Bind one.',
  ),
  'gateway-service-elsewhere': info(
    'The Service that selects us stands in another namespace.',
    'Run with --namespace.',
  ),
  'gateway-target-port-unknown': warning(
    'A named targetPort whose number nobody tells.',
    'Use a number, or --listen.',
  ),
  'tcp-server-without-route': warning(
    'A TCP server without a route opens no listener.',
    'Bind a VirtualService with a tcp rule.',
  ),
  'tls-server-without-route': warning(
    'A server that passes TLS through, and no tls rule leads anywhere: its connections are closed.',
    'Bind a VirtualService with a tls rule.',
  ),
  'client-ca-missing': error(
    'A server asks for client certificates and has no CA to verify them with: handshakes are refused.',
    'Add ca.crt to the Secret, or a Secret NAME-cacert.',
  ),
  'cipher-suite-unknown': warning('A cipher suite is not available and is left out.', 'Remove it.'),
  'listener-not-bound': error('A port cannot be bound.', 'Free it, or move it with --listen.'),
  'connection-setting-out-of-range': warning(
    'A limit of connectionSettings is out of its range and does not count.',
    'Write a number within the range.',
  ),
  'access-log-format-invalid': warning(
    'accessLogFormat cannot be read; the default is used.',
    'Correct it.',
  ),

  // Secrets
  'credential-form-not-served': error('A credentialName of another form.', 'Name a Secret.'),
  'certificate-expires-soon': warning(
    'A served certificate expires within 30 days.',
    'Renew it; new Secrets and files are taken without a restart.',
  ),
  'certificate-expired': error('A served certificate has expired.', 'Renew it.'),
  'certificate-unusable': error(
    'A certificate file, CA or revocation list that cannot be used: the last good version serves.',
    'Store a certificate and key that belong together.',
  ),
  'acme-port-not-served': warning(
    'The port that an ACME server comes to is served by no Gateway.',
    'Have a server on port 80 for http-01 or 443 for tls-alpn-01, or forward that port.',
  ),
  'acme-not-configured': error(
    'A Gateway asks for certificates by ACME, and there is no store to keep them in.',
    'Run with --acme-store.',
  ),
  'acme-certificate-pending': info(
    'A certificate is being ordered by ACME: TLS connections for the host fail until it is there.',
    'Wait a moment.',
  ),
  'acme-order-failed': either(
    ['error', 'warning'],
    'A certificate could not be ordered or renewed; the order is repeated at the time given.',
    'Follow what the ACME server said.',
  ),
  'acme-store-away': warning(
    'The store of ACME certificates cannot be used: what was issued keeps serving.',
    'Check --acme-store.',
  ),
  'acme-too-many-certificates': error(
    'More hosts ask for certificates than one gateway orders.',
    'Spread the Gateways over several gateways.',
  ),
  'secret-not-found': error(
    'A Secret does not exist in the namespace of the gateway.',
    'Create it there.',
  ),
  'secret-keys-missing': error('A Secret lacks the keys that are needed.', 'Add them.'),
  'secret-keys-empty': error('The keys of a Secret are empty.', 'Fill them in.'),
  'egress-user-hash': warning(
    'The password of a user of the egress proxy is hashed in a way that cannot be verified: the user cannot authenticate.',
    'Use htpasswd -s, or a line NAME:sha256:HEX of the key users.',
  ),
  'secret-invalid': error(
    'A certificate and key cannot be used together.',
    'Store a matching pair.',
  ),

  // VirtualServices
  'hidden-by-export-to': either(
    ['warning', 'info'],
    'exportTo hides a resource from the namespace of the gateway.',
    'Export it there, or run with another --namespace.',
  ),
  'delegate-not-found': error(
    'A rule delegates to a VirtualService that does not exist or has hosts: the rule is left out.',
    'Correct its name and namespace.',
  ),
  'delegate-not-exported': error(
    'A rule delegates to a VirtualService that its exportTo hides: the rule is left out.',
    'Add the namespace of the delegating VirtualService to exportTo.',
  ),
  'delegate-not-used': warning(
    'A VirtualService without hosts that no other one delegates to.',
    'Add hosts, or delegate to it.',
  ),
  'delegate-without-rules': warning(
    'A rule delegates to a VirtualService without http rules.',
    'Add rules to the delegate.',
  ),
  'delegate-rule-conflict': warning(
    'A rule of a delegate matches more than the rule that delegates to it and is left out there.',
    'Narrow its match.',
  ),
  'delegate-too-large': error(
    'Delegation would multiply into more match entries than are kept.',
    'Delegate to smaller VirtualServices.',
  ),
  'route-shadowed': warning(
    'A route gets no request: one of another VirtualService, tried before, takes all of them.',
    'Narrow the older rule, or put both into one VirtualService in the order that is meant.',
  ),
  'virtual-service-host-not-on-gateway': warning(
    'A VirtualService has no host in common with the Gateways it names.',
    'Correct one of the two.',
  ),
  'virtual-service-shadowed': warning(
    'Inside the mesh an older VirtualService owns the host; this one has no effect.',
    'Merge the two.',
  ),
  'virtual-service-port-without-rule': info(
    'No rule applies to a port inside the mesh.',
    'Add a rule, if requests to it are expected.',
  ),
  'source-match-not-met': info(
    'The own labels or namespace do not fulfil a match, which is left out.',
    'Check --labels and --namespace.',
  ),
  'match-invalid': error('A match that cannot be compiled.', 'Correct it.'),
  'rewrite-invalid': error('A rewrite or redirect that cannot be compiled.', 'Correct it.'),
  'header-operation-invalid': error('A header operation that cannot be compiled.', 'Correct it.'),
  'mirror-not-served': warning(
    'A mirror, or a percentage of one, that has no effect in its rule.',
    'Mirror a rule whose route leads to endpoints.',
  ),

  // Destinations and policies
  'destination-host-not-found': error(
    'No Service or ServiceEntry has the host: requests get 503 NC.',
    'Correct the name; short names belong to the namespace of their resource.',
  ),
  'destination-host-not-registered': info(
    'No Service or ServiceEntry has the host; it is looked up by DNS.',
    'Write a ServiceEntry to have policies apply.',
  ),
  'destination-port-ambiguous': either(
    ['error', 'warning'],
    'A service with several ports and no port named.',
    'Set destination.port.number.',
  ),
  'destination-port-not-found': error(
    'The service does not have the port: requests get 503 NC.',
    "Use a Service's port, not its targetPort.",
  ),
  'destination-subset-not-found': error(
    'No DestinationRule that applies has the subset: requests get 503 NC.',
    'Add the subset, or correct its name.',
  ),
  'destination-without-endpoints': warning(
    'A ServiceEntry without endpoints of its own: requests get 503.',
    'Write resolution: DNS.',
  ),
  'tls-without-endpoints': error(
    'A DestinationRule asks for TLS to a ServiceEntry whose hosts each client names itself (resolution NONE or DYNAMIC_DNS): 503.',
    'Name the hosts in a ServiceEntry with resolution DNS, or let clients speak TLS themselves.',
  ),
  'egress-proxy-invalid': error(
    'MeshConfig outboundTrafficPolicy.egressProxy cannot be used as written.',
    'Name a declared host and one of its ports, with mode ALLOW_ANY.',
  ),
  'subset-without-endpoints': warning(
    'No endpoint has the labels of a subset: requests get 503 UH.',
    'Correct the labels.',
  ),
  'destination-rule-host-not-found': info(
    'A DestinationRule for a host nobody has.',
    'Correct the host.',
  ),
  'destination-rule-withheld': error(
    'A DestinationRule that asks for TLS has errors: its host is unreachable rather than insecure.',
    'Mend the errors of the rule.',
  ),
  'destination-rule-not-used': info(
    'A DestinationRule that another one hides.',
    'Look which namespace and host win.',
  ),
  'destination-rule-policy-dropped': warning(
    'Two DestinationRules for one host: the older keeps its trafficPolicy.',
    'Merge the two.',
  ),
  'destination-rule-subset-dropped': warning(
    'Two DestinationRules define one subset: the older is used.',
    'Rename one.',
  ),
  'locality-priorities-implied': info(
    'outlierDetection turns locality failover on, as in Istio.',
    'Set localityLbSetting.enabled: false to use all endpoints alike.',
  ),
  'locality-without-endpoints': warning(
    'localityLbSetting.distribute leaves every endpoint out.',
    'Name the localities that have endpoints.',
  ),
  'own-locality-unknown': warning(
    'localityLbSetting without knowing where the gateway itself stands: it has no effect.',
    'Start with --locality REGION/ZONE/SUBZONE.',
  ),
  'health-check-invalid': warning(
    'The annotation tidegate.dev/health-check cannot be read: endpoints are not checked.',
    'Write it as docs/health-checks.md says.',
  ),
  'load-balancer-passthrough': warning(
    'PASSTHROUGH has no meaning at a gateway.',
    'Use LEAST_REQUEST.',
  ),
  'service-entry-overrides-service': warning(
    'A ServiceEntry takes the host of a Service.',
    'Rename it, unless that is meant.',
  ),
  'service-entry-shadowed': warning(
    'A ServiceEntry whose host another one, or a Service, has already.',
    'Rename or merge.',
  ),

  // EnvoyFilters and rate limits
  'envoy-filter-not-supported': warning(
    'A patch that is not applied here.',
    'Use the rate limit shapes, or the fields of VirtualService.',
  ),
  'envoy-filter-unmatched': either(
    ['warning', 'info'],
    'A patch that matches nothing.',
    'Correct its match.',
  ),
  'rate-limit-invalid': error('A rate limit setting that cannot be read.', 'Correct it.'),
  'rate-limit-not-supported': warning('A rate limit setting without effect.', 'Remove it.'),
  'rate-limit-timeout-misplaced': warning(
    'A timeout where the filter never looks.',
    'Write it beside domain.',
  ),
  'rate-limit-domain-unknown': warning(
    'No descriptor file defines the domain: nothing is limited.',
    'Add a ConfigMap with that domain.',
  ),
  'rate-limit-service-unknown': warning(
    'A rate limit service that cannot be asked: its cluster is not known, or asks for TLS.',
    'Name a Service or ServiceEntry, or add the cluster with a CLUSTER patch.',
  ),
  'rate-limit-config-invalid': error('A descriptor file cannot be read.', 'Correct it.'),
  'mesh-export-to-invalid': warning(
    'A default of exportTo in MeshConfig has a value that is no namespace.',
    'Use ".", "*" or namespace names; "~" for services only.',
  ),
  'trusted-proxies-negative': warning(
    'numTrustedProxies is less than 0: nobody is trusted.',
    'Write the number of proxies in front of the gateway.',
  ),
  'sticky-weights-invalid': warning(
    'The annotation tidegate.dev/sticky-weights is neither true nor false.',
    'Write tidegate.dev/sticky-weights: "true".',
  ),
  'sticky-weights-without-key': warning(
    'Weights are to be sticky, but the first destination has no consistentHash.',
    'Give its DestinationRule loadBalancer.consistentHash.',
  ),
  'rate-limit-descriptor-unmatched': warning('A descriptor reaches no limit.', 'Correct its keys.'),
}
