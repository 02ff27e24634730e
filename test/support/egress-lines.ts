import type { EgressLine } from '../../src/telemetry/egress-line.ts'

/** A decision as the ledger keeps it: api.test:443 was let through for shop/web. */
export function egressDecision(change: Partial<EgressLine> = {}): EgressLine {
  return {
    time: '2026-01-02T03:04:05.678Z',
    verdict: 'would-block',
    client: 'shop/web',
    clientBy: 'pod',
    clientNamespace: 'shop',
    serviceAccount: 'default',
    clientAddress: '10.0.0.7',
    kind: 'connect',
    method: 'CONNECT',
    host: 'api.test',
    port: 443,
    resolved: '203.0.113.9:443',
    policy: 'REGISTRY_ONLY',
    rule: '',
    ruleAt: '',
    declaredAs: '',
    hiddenBy: '',
    cluster: 'PassthroughCluster',
    bytesFromClient: 10,
    bytesToClient: 20,
    durationMs: 3,
    status: 200,
    flags: '-',
    details: 'via_upstream',
    ...change,
  }
}
