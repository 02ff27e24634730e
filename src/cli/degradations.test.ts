import { describe, expect, test } from 'vitest'
import type { CertificateDescription } from '../admin/admin-state.ts'
import type { ClusterDescription } from '../clusters/description.ts'
import { degradations } from './degradations.ts'
import type { GatewayReport } from './status.ts'

const NOW = Date.parse('2026-06-01T00:00:00Z')

const FINE: GatewayReport = {
  info: {
    version: '1.0.0',
    startedAt: '2026-05-01T00:00:00.000Z',
    uptimeSeconds: 1,
    state: 'LIVE',
    generation: 4,
    lastLoad: { ok: true, at: '2026-05-31T00:00:00.000Z' },
  },
  listeners: [],
  clusters: [],
  certificates: [],
  problems: [],
  counts: { error: 0, warning: 3, info: 2 },
}

const CLUSTER: ClusterDescription = {
  name: 'outbound|80||web.shop',
  protocol: 'http1',
  discovery: 'dns',
  policy: 'least-request',
  retired: false,
  panic: false,
  dnsFailures: [],
  tlsProblem: '',
  endpoints: [],
  counters: {},
}

const CERTIFICATE: CertificateDescription = {
  name: 'kubernetes://istio-system/shop',
  usedBy: [],
  subject: '',
  issuer: '',
  subjectAltNames: [],
  serialNumber: '01',
  fingerprint: '',
  notBefore: '2026-01-01T00:00:00.000Z',
  notAfter: '2027-01-01T00:00:00.000Z',
  problem: '',
}

const UNBOUND = {
  code: 'listener-not-bound',
  severity: 'error',
  kind: null,
  namespace: null,
  name: null,
  path: '',
  message: 'the listener of Gateway port 80 cannot bind',
  hint: null,
  file: null,
  line: null,
  column: null,
} as const

const counts = { error: 1, warning: 0, info: 0 }

describe('what is degraded', () => {
  const rows: [name: string, change: Partial<GatewayReport>, reasons: RegExp[]][] = [
    ['nothing, where all is well', { clusters: [CLUSTER], certificates: [CERTIFICATE] }, []],
    [
      'a gateway that drains',
      { info: { ...FINE.info, state: 'DRAINING' } },
      [/^gateway: draining/],
    ],
    [
      'a reload that failed',
      { info: { ...FINE.info, lastLoad: { ok: false, at: 'then' } } },
      [/^configuration: the reload of then failed: generation 4 still serves/],
    ],
    ['errors', { counts }, [/^configuration: 1 error:/]],
    ['a port that is taken', { counts, problems: [UNBOUND] }, [/^listener: .* cannot bind$/]],
    [
      'a name that cannot be looked up, and TLS material',
      { clusters: [{ ...CLUSTER, dnsFailures: ['a.test: ENOTFOUND'], tlsProblem: 'no key' }] },
      [/web\.shop: DNS: a\.test: ENOTFOUND/, /web\.shop: TLS: no key/],
    ],
    ['panic', { clusters: [{ ...CLUSTER, panic: true }] }, [/panic/]],
    ['not a cluster that is gone', { clusters: [{ ...CLUSTER, retired: true, panic: true }] }, []],
    [
      'a certificate that is over',
      { certificates: [{ ...CERTIFICATE, notAfter: '2026-05-31T00:00:00Z' }] },
      [/shop: the certificate expired at 2026-05-31/],
    ],
    [
      'a certificate that ends within a week',
      { certificates: [{ ...CERTIFICATE, notAfter: '2026-06-07T23:00:00Z' }] },
      [/shop: the certificate expires at 2026-06-07/],
    ],
    [
      'a certificate that is not yet valid',
      { certificates: [{ ...CERTIFICATE, notBefore: '2026-06-02T00:00:00Z' }] },
      [/not valid before/],
    ],
    [
      'a certificate that cannot be read',
      { certificates: [{ ...CERTIFICATE, problem: 'not PEM' }] },
      [/shop: certificate: not PEM/],
    ],
  ]
  test.each(rows)('%s', (_name, change, reasons) => {
    const found = degradations({ ...FINE, ...change }, NOW)
    expect(found).toHaveLength(reasons.length)
    for (const [index, reason] of reasons.entries()) {
      const { what = '', reason: said = '' } = found[index] ?? {}
      expect(`${what}: ${said}`).toMatch(reason)
    }
  })
})
