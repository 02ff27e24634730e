import { appendFileSync, readFileSync, renameSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { egressDecision } from '../../test/support/egress-lines.ts'
import { TemporaryFolder } from '../../test/support/folder.ts'
import { waitFor } from '../../test/support/wait.ts'
import { checkLedgers } from '../cli/egress-verify.ts'
import { EgressLedger, type LedgerOptions } from './egress-ledger.ts'

const IDENTITY = { version: 'test', machine: 'here', pid: 1, startedAt: '2026-01-01T00:00:00.000Z' }

function open(path: string, options: Partial<LedgerOptions> = {}): EgressLedger {
  return new EgressLedger({ path, identity: IDENTITY, log: () => undefined, ...options })
}

interface Line {
  readonly seq: number
  readonly prev: string
  readonly type: string
  readonly host?: string
  readonly lost?: number
  readonly torn?: boolean
}

function linesOf(path: string): readonly Line[] {
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line): Line => JSON.parse(line))
}

async function write(path: string, hosts: readonly string[]): Promise<void> {
  const ledger = open(path)
  for (const host of hosts) ledger.add(egressDecision({ host }))
  await ledger.close()
}

test('every line names the one before it, from the genesis line on', async () => {
  using folder = new TemporaryFolder()
  const path = join(folder.path, 'egress.jsonl')
  await write(path, ['a.test', 'b.test'])
  const lines = linesOf(path)
  expect(lines.map(({ seq, type, host }) => [seq, type, host])).toEqual([
    [1, 'genesis', undefined],
    [2, 'decision', 'a.test'],
    [3, 'decision', 'b.test'],
  ])
  expect(lines[0]).toMatchObject({ prev: '0'.repeat(64), ...IDENTITY })
  expect(new Set(lines.map(({ prev }) => prev)).size).toBe(3)
  expect((await checkLedgers([path], [])).findings).toEqual([])
})

test('the chain goes on after a restart', async () => {
  using folder = new TemporaryFolder()
  const path = join(folder.path, 'egress.jsonl')
  await write(path, ['a.test'])
  await write(path, ['b.test'])
  expect(linesOf(path).map(({ type }) => type)).toEqual([
    'genesis',
    'decision',
    'restart',
    'decision',
  ])
  expect(await checkLedgers([path], [])).toMatchObject({ findings: [], decisions: 2 })
})

test('a line that a crash cut off is kept, and the next process says so', async () => {
  using folder = new TemporaryFolder()
  const path = join(folder.path, 'egress.jsonl')
  await write(path, ['ä.test'])
  truncateSync(path, readFileSync(path).length - 30)
  await write(path, ['b.test'])
  const report = await checkLedgers([path], [])
  expect(report).toMatchObject({ findings: [], decisions: 1, head: { seq: 4 } })
  expect(report.notes).toMatchObject([{ line: 2 }])
})

test.each([
  ['a log of something else', 'GET / 200\n'],
  ['JSON that is no ledger', '{"a":1}\n'],
  ['text without a line feed', 'hello'],
  ['other lines, the last without a line feed', 'hello\nyou'],
])('%s is not written to', async (_name, text) => {
  using folder = new TemporaryFolder()
  const path = join(folder.path, 'egress.jsonl')
  appendFileSync(path, text)
  expect(() => open(path)).toThrow(/no egress ledger/)
  expect(() => open(folder.path)).toThrow()
  expect(readFileSync(path, 'utf8')).toBe(text)
})

describe('rotation', () => {
  test('a file that was moved away is followed by a new one of the same chain', async () => {
    using folder = new TemporaryFolder()
    const path = join(folder.path, 'egress.jsonl')
    const ledger = open(path)
    ledger.add(egressDecision({ host: 'a.test' }))
    await waitFor('the first line', () => readFileSync(path, 'utf8').includes('a.test'))
    renameSync(path, `${path}.old`)
    ledger.reopen()
    ledger.add(egressDecision({ host: 'b.test' }))
    await ledger.close()
    expect(linesOf(path).map(({ seq, type }) => [seq, type])).toEqual([
      [3, 'genesis'],
      [4, 'decision'],
    ])
    expect(await checkLedgers([path, `${path}.old`], [])).toMatchObject({
      findings: [],
      firstSeq: 1,
    })
  })

  test('at its size the file gets the number of its last line as name', async () => {
    using folder = new TemporaryFolder()
    const path = join(folder.path, 'egress.jsonl')
    const said: string[] = []
    const ledger = open(path, { maxBytes: 500, log: (_level, message) => said.push(message) })
    ledger.add(egressDecision({ host: 'a.test' }))
    await waitFor('the first line', () => readFileSync(path, 'utf8').includes('a.test'))
    ledger.add(egressDecision({ host: 'b.test' }))
    await ledger.close()
    const old = `${path}.000000000002`
    expect(linesOf(old)).toHaveLength(2)
    expect(await checkLedgers([path, old], [])).toMatchObject({ findings: [], decisions: 2 })
    const hash = linesOf(path)[0]?.prev ?? ''
    expect(said[0]).toContain(`${old}: line 2, hash ${hash}`)
    expect((await checkLedgers([path, old], [hash])).findings).toEqual([])
  })
})

test('what does not fit is counted by a gap line at its place', async () => {
  using folder = new TemporaryFolder()
  const path = join(folder.path, 'egress.jsonl')
  const said: string[] = []
  const ledger = open(path, { maxWaiting: 2, log: (_level, message) => said.push(message) })
  for (const host of ['a.test', 'b.test', 'c.test', 'd.test']) ledger.add(egressDecision({ host }))
  await waitFor('the gap line', () => readFileSync(path, 'utf8').includes('"gap"'))
  ledger.add(egressDecision({ host: 'e.test' }))
  await ledger.close()
  expect(linesOf(path).map(({ type, host, lost }) => host ?? lost ?? type)).toEqual([
    'genesis',
    'a.test',
    'b.test',
    2,
    'e.test',
  ])
  expect(ledger.lost).toBe(2)
  expect(await checkLedgers([path], [])).toMatchObject({ findings: [], lost: 2 })
  expect(said.filter((message) => message.includes('cannot keep up'))).toHaveLength(1)
})

test('a host with control characters, quotes or broken text stays within its line', async () => {
  using folder = new TemporaryFolder()
  const path = join(folder.path, 'egress.jsonl')
  const hosts = ['a\nb', '","verdict":"allowed', '\ud800', '\u2028', '\0\r\n{}']
  await write(path, hosts)
  const lines = linesOf(path)
  expect(lines).toHaveLength(hosts.length + 1)
  expect(await checkLedgers([path], [])).toMatchObject({ findings: [], decisions: hosts.length })
})
