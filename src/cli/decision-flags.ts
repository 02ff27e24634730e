import { Option } from 'commander'
import { DEFAULT_DOMAIN, DEFAULT_NAMESPACE, type RunOptions } from '../process/run-options.ts'
import { egressControlFlags, egressControlOf, type RawEgressControlFlags } from './egress-flags.ts'
import { repeatable } from './flag-options.ts'
import { parseBlock, parseLabels, parseLocalityFlag } from './flag-values.ts'
import { parseLimits } from './limit-flags.ts'
import { parseRateLimitMode, rateLimitModeFlag } from './rate-limit-flags.ts'

/** Where a gateway stands, as given. */
export interface RawPlaceFlags {
  namespace: string
  domain: string
}

/** What else decides how a gateway understands its configuration, as given. */
export interface RawDecisionFlags extends RawEgressControlFlags {
  labels: string[]
  locality?: string
  meshConfig?: string
  meshCerts?: string
  rateLimitConfig?: string
  rateLimitMode: string
  trustedProxy: string[]
  limit: string[]
  egressAllow: string[]
  compat?: boolean
}

/** `--namespace` and `--domain`, with their defaults. */
export function placeFlags(): readonly Option[] {
  return [
    new Option('--namespace <ns>', 'namespace the gateway stands in').default(DEFAULT_NAMESPACE),
    new Option('--domain <domain>', 'cluster domain').default(DEFAULT_DOMAIN),
  ]
}

/**
 * Flags of `run` that change what becomes of a request: the verbs that tell or test it take the same
 * ones.
 */
export function decisionFlags(): readonly Option[] {
  return [
    repeatable('--labels <k=v,...>', 'own labels that Gateway selectors are matched against'),
    new Option(
      '--locality <region/zone/subzone>',
      'own locality, for locality-aware balancing; run: else that of the Node named by NODE_NAME',
    ),
    new Option('--mesh-config <path>', 'MeshConfig file; else the ConfigMap istio-system/istio'),
    new Option(
      '--mesh-certs <folder>',
      'cert-chain.pem, key.pem and root-cert.pem for ISTIO_MUTUAL; else /etc/certs',
    ),
    new Option(
      '--rate-limit-config <path>',
      'rate limit descriptor file or folder, beside those in ConfigMaps',
    ),
    rateLimitModeFlag(),
    repeatable(
      '--trusted-proxy <cidr>',
      'proxies in front whose forwarding headers are believed; else as numTrustedProxies says',
    ),
    repeatable(
      '--limit <name=value>',
      'limit or timer of connections, such as connections-per-address=5000: see docs/limits.md',
    ),
    ...egressControlFlags(),
    repeatable(
      '--egress-allow <cidr>',
      'loopback, private, link-local or metadata addresses the egress proxy may reach',
    ),
    new Option('--compat', "Istio's own behaviour where Tidegate differs on purpose"),
  ]
}

/** What the flags above say; without `locality` where it is not given. */
export type DecisionOptions = Pick<
  RunOptions,
  | 'namespace'
  | 'domain'
  | 'labels'
  | 'meshConfig'
  | 'meshCertificates'
  | 'rateLimitConfig'
  | 'rateLimitMode'
  | 'trustedProxies'
  | 'limits'
  | 'egressControl'
  | 'egressAllow'
  | 'compat'
> & { readonly locality?: string }

/** Throws a usage error for a value that is none. */
export function decisionOptionsOf(flags: RawPlaceFlags & RawDecisionFlags): DecisionOptions {
  return {
    namespace: flags.namespace,
    domain: flags.domain,
    labels: flags.labels.map(parseLabels),
    meshConfig: flags.meshConfig ?? null,
    ...(flags.meshCerts === undefined ? {} : { meshCertificates: flags.meshCerts }),
    rateLimitConfig: flags.rateLimitConfig ?? null,
    rateLimitMode: parseRateLimitMode(flags.rateLimitMode),
    trustedProxies: flags.trustedProxy.map((text) => parseBlock('--trusted-proxy', text)),
    limits: parseLimits(flags.limit),
    ...egressControlOf(flags, flags.namespace),
    egressAllow: flags.egressAllow.map((text) => parseBlock('--egress-allow', text)),
    compat: flags.compat ?? false,
    ...(flags.locality === undefined ? {} : { locality: parseLocalityFlag(flags.locality) }),
  }
}
