import { expect, test } from 'vitest'
import { egressDecision } from '../../test/support/egress-lines.ts'
import { TemporaryFolder } from '../../test/support/folder.ts'
import { Chain, START } from '../telemetry/egress-chain.ts'
import type { EgressLine } from '../telemetry/egress-line.ts'
import { refusedIn } from './egress-blocked.ts'

test('refusals of several ledgers are added up, what passed is not in them', async () => {
  const written = (lines: readonly Partial<EgressLine>[]): string => {
    const chain = new Chain(START)
    return lines.map((line) => chain.append({ type: 'decision', ...egressDecision(line) })).join('')
  }
  using folder = new TemporaryFolder({
    one: written([
      { verdict: 'allowed' },
      { verdict: 'passthrough' },
      { verdict: 'blocked', host: 'a.test', time: '2026-01-01T00:00:00.000Z' },
      { verdict: 'guarded', host: 'm.test' },
      { verdict: 'would-block', host: 'w.test' },
    ]),
    two: written([{ verdict: 'blocked', host: 'a.test', time: '2026-02-01T00:00:00.000Z' }]),
  })
  const found = await refusedIn([folder.join('one'), folder.join('two')])
  expect(found.map(({ host, verdict, count }) => [host, verdict, count])).toEqual([
    ['a.test', 'blocked', 2],
    ['m.test', 'guarded', 1],
    ['w.test', 'would-block', 1],
  ])
  expect(found[0]).toMatchObject({
    firstSeen: '2026-01-01T00:00:00.000Z',
    lastSeen: '2026-02-01T00:00:00.000Z',
    remedy: expect.stringContaining('ServiceEntry with host a.test') as string,
  })
})
