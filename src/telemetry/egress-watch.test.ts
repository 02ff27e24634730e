import { expect, test } from 'vitest'
import { egressDecision } from '../../test/support/egress-lines.ts'
import { EgressNotices } from './egress-notices.ts'
import { TopRefusals } from './egress-top.ts'

test('the frequent pairs stay, whatever rare ones come between them', () => {
  const top = new TopRefusals(4)
  for (let round = 0; round < 100; round++) {
    top.add(egressDecision({ host: 'often.test' }))
    top.add(egressDecision({ host: 'often.test', client: 'shop/other' }))
    top.add(egressDecision({ host: `random-${round}.test` }))
  }
  const found = top.top()
  expect(found).toHaveLength(4)
  const often = found.filter(({ host }) => host === 'often.test')
  expect(often.map(({ client, count }) => [client, count])).toEqual([
    ['shop/web', 100],
    ['shop/other', 100],
  ])
  for (const { host, count, countError } of found) {
    if (host !== 'often.test') expect(count - countError).toBeLessThanOrEqual(1)
  }
})

test('first and last time of a pair are kept, and unknown clients are their address', () => {
  const top = new TopRefusals()
  for (const time of ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z']) {
    top.add(egressDecision({ time, client: '', clientAddress: '10.0.0.9' }))
  }
  expect(top.top()).toMatchObject([
    {
      client: '10.0.0.9',
      count: 2,
      countError: 0,
      firstSeen: '2026-01-01T00:00:00.000Z',
      lastSeen: '2026-01-02T00:00:00.000Z',
    },
  ])
})

test('each pair is said once a minute, with client, place and what would allow it', () => {
  let now = 1_000_000
  const said: [fields: object, message: string][] = []
  const notices = new EgressNotices(
    (fields, message) => said.push([fields, message]),
    () => now,
  )
  const line = egressDecision({ verdict: 'blocked' })
  notices.notice(line)
  notices.notice(line)
  notices.notice(egressDecision({ verdict: 'blocked', client: 'shop/other' }))
  expect(said).toHaveLength(2)
  expect(said[0]).toEqual([
    {
      host: 'api.test',
      port: 443,
      client: 'shop/web',
      clientAddress: '10.0.0.7',
      verdict: 'blocked',
    },
    'egress is blocked; it would be allowed by a ServiceEntry with host api.test and port 443 (tidegate egress learn writes it)',
  ])
  now += 60_000
  notices.notice(line)
  expect(said).toHaveLength(3)
})

test('random hosts do not fill the log: a minute has so many lines, the rest is counted', () => {
  let now = 1_000_000
  const said: [fields: object, message: string][] = []
  const notices = new EgressNotices(
    (fields, message) => said.push([fields, message]),
    () => now,
  )
  for (let i = 0; i < 1000; i++) notices.notice(egressDecision({ host: `r${i}.test` }))
  const first = said.length
  expect(first).toBeLessThan(100)
  now += 60_000
  notices.notice(egressDecision({ host: 'again.test' }))
  expect(said.slice(first).map(([fields]) => fields)).toMatchObject([
    { pairs: 1000 - first },
    { host: 'again.test' },
  ])
})

const remedies: [name: string, change: Parameters<typeof egressDecision>[0], expected: RegExp][] = [
  ['an undeclared host', {}, /a ServiceEntry with host api\.test and port 443/],
  ['an undeclared address', { host: '203.0.113.7' }, /a ServiceEntry with address 203\.0\.113\.7/],
  ['a guarded address', { verdict: 'guarded' }, /--egress-allow/],
  ['an unknown client', { details: 'egress_client_unknown' }, /--egress-unknown-clients/],
  ['a hidden host', { hiddenBy: 'shop/default' }, /"\*\/api\.test" .* Sidecar shop\/default/],
  ['a declared host without rule', { details: 'route_not_found' }, /a VirtualService rule/],
  ['too many tunnels', { details: 'egress_tunnel_limit' }, /egress-tunnels-per-client/],
  [
    'a refused port',
    { verdict: 'guarded', details: 'egress_port_refused' },
    /egress-connect-ports/,
  ],
]

test.each(remedies)('what would allow it: %s', (_name, change, expected) => {
  const said: string[] = []
  const notices = new EgressNotices((_fields, message) => said.push(message))
  notices.notice(egressDecision({ verdict: 'blocked', ...change }))
  expect(said[0]).toMatch(expected)
})
