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
  'tls-mode-not-served': error(
    'A TLS mode that is not served: the server or cluster is unreachable rather than insecure.',
    'Use mode SIMPLE.',
  ),
  'tls-protocol-not-served': error(
    'Opaque bytes inside TLS are not served.',
    'Use protocol HTTPS.',
  ),
  'cipher-suite-unknown': warning('A cipher suite is not available and is left out.', 'Remove it.'),
  'field-ignored': warning('A field has no effect here.', 'Remove it.'),
  'listener-not-bound': error('A port cannot be bound.', 'Free it, or move it with --listen.'),
  'connection-setting-out-of-range': warning(
    'A limit of connectionSettings is out of its range; the default is used.',
    'Write a number within the range.',
  ),
  'access-log-format-invalid': warning(
    'accessLogFormat cannot be read; the default is used.',
    'Correct it.',
  ),

  // Secrets
  'credential-form-not-served': error('A credentialName of another form.', 'Name a Secret.'),
  'secret-not-found': error(
    'A Secret does not exist in the namespace of the gateway.',
    'Create it there.',
  ),
  'secret-keys-missing': error('A Secret lacks the keys that are needed.', 'Add them.'),
  'secret-keys-empty': error('The keys of a Secret are empty.', 'Fill them in.'),
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
  'destination-authority-not-served': warning(
    'The destinations of one rule set different Host headers; Host is left as it is.',
    'Use rewrite.authority.',
  ),
  'retry-setting-ignored': warning('A retry setting has no effect.', 'Remove it.'),

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
  'subset-without-endpoints': warning(
    'No endpoint has the labels of a subset: requests get 503 UH.',
    'Correct the labels.',
  ),
  'destination-rule-host-not-found': info(
    'A DestinationRule for a host nobody has.',
    'Correct the host.',
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
  'rate-limit-config-invalid': error('A descriptor file cannot be read.', 'Correct it.'),
  'rate-limit-descriptor-unmatched': warning('A descriptor reaches no limit.', 'Correct its keys.'),
}
