import { expect, test, vi } from 'vitest'
import type { CertificateDescription } from '../admin/admin-state.ts'
import { CertificateWatch } from './certificate-watch.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const END = Date.UTC(2030, 0, 31)

const certificate: CertificateDescription = {
  name: 'kubernetes://istio-system/web',
  usedBy: ['https.443.https.gw.default'],
  subject: 'CN=web',
  issuer: 'CN=ca',
  subjectAltNames: [],
  serialNumber: '01',
  fingerprint: '',
  notBefore: '2029-01-01T00:00:00.000Z',
  notAfter: new Date(END).toISOString(),
  problem: '',
}

const rows: [what: string, nowMs: number, codes: readonly string[]][] = [
  ['31 days before its end nothing is said', END - 31 * DAY_MS, []],
  ['exactly 30 days before neither', END - 30 * DAY_MS, []],
  ['within 30 days it is a warning', END - 30 * DAY_MS + 1, ['certificate-expires-soon']],
  ['in its last second as well', END - 1, ['certificate-expires-soon']],
  ['at its end it is an error', END, ['certificate-expired']],
]

test.each(rows)('%s', (_what, nowMs, codes) => {
  const watch = new CertificateWatch({
    certificates: () => [certificate],
    faults: () => [],
    onChange: () => undefined,
    now: () => nowMs,
  })
  watch.check()
  expect(watch.problems.map(({ code }) => code)).toEqual(codes)
  watch.close()
})

test('certificates are looked at every day without a change of configuration', () => {
  vi.useFakeTimers()
  try {
    let nowMs = END - 31 * DAY_MS
    let changes = 0
    const watch = new CertificateWatch({
      certificates: () => [certificate],
      faults: () => [],
      onChange: () => changes++,
      now: () => nowMs,
    })
    watch.check()
    expect(watch.problems).toEqual([])
    nowMs += 2 * DAY_MS
    vi.advanceTimersByTime(DAY_MS)
    expect(watch.problems[0]?.message).toContain('expires in 29 days')
    expect(changes).toBe(1)
    watch.close()
    vi.advanceTimersByTime(3 * DAY_MS)
    expect(changes).toBe(1)
  } finally {
    vi.useRealTimers()
  }
})

test('a certificate that cannot be read has no date and is no expiry', () => {
  const watch = new CertificateWatch({
    certificates: () => [{ ...certificate, notAfter: '', problem: 'ENOENT' }],
    faults: () => [{ source: 'file:///web.crt', message: 'ENOENT' }],
    onChange: () => undefined,
    now: () => END,
  })
  watch.check()
  expect(watch.problems.map(({ code }) => code)).toEqual(['certificate-unusable'])
  expect(watch.expiries).toEqual([])
  watch.close()
})
