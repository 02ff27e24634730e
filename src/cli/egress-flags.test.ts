import { Command } from 'commander'
import { expect, test } from 'vitest'
import type { RunOptions } from '../process/run-options.ts'
import { DEFAULT_MAX_BYTES } from '../telemetry/egress-ledger.ts'
import { EXIT_USAGE } from './exit.ts'
import { addRunFlags, runOptionsOf } from './run-flags.ts'

function options(line: string, env: NodeJS.ProcessEnv = {}): RunOptions {
  const command = addRunFlags(new Command('run')).exitOverride()
  command.parse(
    line.split(' ').filter((part) => part !== ''),
    { from: 'user' },
  )
  return runOptionsOf(command, env)
}

test('nothing given: no ledger, nothing special about clients', () => {
  const { egressLedger, egressControl } = options('')
  expect([egressLedger, egressControl]).toEqual([undefined, undefined])
})

const given: [line: string, env: NodeJS.ProcessEnv, expected: Partial<RunOptions>][] = [
  [
    '--egress-ledger /var/log/egress.jsonl',
    { TIDEGATE_EGRESS_LEDGER: '/var/log/egress.jsonl' },
    { egressLedger: { path: '/var/log/egress.jsonl', maxBytes: DEFAULT_MAX_BYTES } },
  ],
  [
    '--egress-ledger l --egress-ledger-size 64k',
    { TIDEGATE_EGRESS_LEDGER: 'l', TIDEGATE_EGRESS_LEDGER_SIZE: '64k' },
    { egressLedger: { path: 'l', maxBytes: 65_536 } },
  ],
  [
    '--egress-mode report',
    { TIDEGATE_EGRESS_MODE: 'report' },
    { egressControl: { reportOnly: true, refuseUnknown: false, users: null } },
  ],
  [
    '--egress-unknown-clients refuse --egress-users proxy-users',
    { TIDEGATE_EGRESS_UNKNOWN_CLIENTS: 'refuse', TIDEGATE_EGRESS_USERS: 'proxy-users' },
    {
      egressControl: { reportOnly: false, refuseUnknown: true, users: 'istio-system/proxy-users' },
    },
  ],
]

test.each(given)('%s, as flag and as variable', (line, env, expected) => {
  expect(options(line)).toMatchObject(expected)
  expect(options('', env)).toMatchObject(expected)
})

test.each([
  '--egress-ledger -',
  '--egress-ledger /dev/stdout',
  '--egress-ledger /dev/fd/1',
  '--egress-ledger l --egress-ledger-size big',
  '--egress-ledger l --egress-ledger-size 0',
  '--egress-mode dry-run',
  '--egress-unknown-clients deny',
  '--egress-users a/b/c',
])('%s is a usage error', (line) => {
  expect(() => options(line)).toThrow(expect.objectContaining({ exitCode: EXIT_USAGE }))
})
