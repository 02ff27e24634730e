import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { egressDecision } from '../../test/support/egress-lines.ts'
import { TemporaryFolder } from '../../test/support/folder.ts'
import { Chain, START } from '../telemetry/egress-chain.ts'
import { checkLedgers } from './egress-verify.ts'

const HOSTS = ['a.test', 'b.test', 'c.test', 'd.test', 'e.test']

/** Five decisions behind a genesis line; line numbers are 2 to 6. */
function ledger(): string[] {
  const chain = new Chain(START)
  const time = '2026-01-02T03:04:05.678Z'
  const identity = { version: 'test', machine: 'here', pid: 1, startedAt: time }
  return [
    chain.append({ type: 'genesis', time, torn: false, ...identity }),
    ...HOSTS.map((host) => chain.append({ type: 'decision', ...egressDecision({ host }) })),
  ]
}

type Tamper = (lines: string[]) => void

const tampers: [name: string, tamper: Tamper, found: [line: number, message: RegExp][]][] = [
  ['nothing', () => undefined, []],
  [
    'a changed host',
    (lines) => (lines[3] = lines[3]!.replace('c.test', 'x.test')),
    [[4, /was changed/]],
  ],
  [
    'a changed verdict in the last but one line',
    (lines) => (lines[4] = lines[4]!.replace('would-block', 'allowed')),
    [[5, /was changed/]],
  ],
  ['one removed line', (lines) => lines.splice(2, 1), [[3, /lines 3 to 3 are missing/]]],
  ['three removed lines', (lines) => lines.splice(1, 3), [[2, /lines 2 to 4 are missing/]]],
  [
    'two swapped lines',
    (lines) => lines.splice(2, 2, lines[3]!, lines[2]!),
    [
      [3, /lines 3 to 3 are missing/],
      [4, /does not belong/],
      [5, /lines 4 to 4 are missing/],
    ],
  ],
  ['a doubled line', (lines) => lines.splice(2, 0, lines[1]!), [[3, /does not belong/]]],
  [
    'an inserted line of text',
    (lines) => lines.splice(2, 0, 'hello\n'),
    [
      [3, /no ledger line: it is not JSON/],
      [4, /does not belong/],
    ],
  ],
  [
    'a line made unreadable',
    (lines) => (lines[2] = '{"seq":3}\n'),
    [
      [3, /no ledger line/],
      [3, /was changed/],
    ],
  ],
  [
    'a changed genesis',
    (lines) => (lines[0] = lines[0]!.replace('here', 'there')),
    [[1, /changed/]],
  ],
]

test.each(tampers)('%s', async (_name, tamper, found) => {
  using folder = new TemporaryFolder()
  const path = join(folder.path, 'egress.jsonl')
  const lines = ledger()
  tamper(lines)
  writeFileSync(path, lines.join(''))
  const { findings } = await checkLedgers([path], [])
  expect(findings.map(({ line }) => line)).toEqual(found.map(([line]) => line))
  for (const [index, [, message]] of found.entries()) {
    expect(findings[index]?.message).toMatch(message)
  }
})

test('a byte changed anywhere is found, given the hash of the last line', async () => {
  using folder = new TemporaryFolder()
  const path = join(folder.path, 'egress.jsonl')
  const bytes = Buffer.from(ledger().join(''))
  writeFileSync(path, bytes)
  const heads = [(await checkLedgers([path], [])).head.hash]
  const position = fc.nat({ max: bytes.length - 2 })
  const difference = fc.integer({ min: 1, max: 255 })
  await fc.assert(
    fc.asyncProperty(position, difference, async (at, xor) => {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ xor
      writeFileSync(path, changed)
      expect((await checkLedgers([path], heads)).findings).not.toEqual([])
    }),
    { numRuns: 150 },
  )
})

test('lines cut off at the end are found by a hash that was kept', async () => {
  using folder = new TemporaryFolder()
  const path = join(folder.path, 'egress.jsonl')
  writeFileSync(path, ledger().join(''))
  const { head } = await checkLedgers([path], [])
  writeFileSync(path, ledger().slice(0, -1).join(''))
  expect((await checkLedgers([path], [])).findings).toEqual([])
  const { findings } = await checkLedgers([path], [head.hash])
  expect(findings).toMatchObject([{ message: expect.stringContaining('are missing') as string }])
})

test('a file of the middle is noted, a file missing between two is found', async () => {
  using folder = new TemporaryFolder()
  const lines = ledger()
  const write = (name: string, part: readonly string[]): string => {
    const path = join(folder.path, name)
    writeFileSync(path, part.join(''))
    return path
  }
  const [first, second, third] = [
    write('1', lines.slice(0, 2)),
    write('2', lines.slice(2, 4)),
    write('3', lines.slice(4)),
  ]
  expect(await checkLedgers([third!, first!, second!], [])).toMatchObject({
    findings: [],
    lines: 6,
  })
  expect(await checkLedgers([second!, third!], [])).toMatchObject({ findings: [], firstSeq: 3 })
  expect((await checkLedgers([first!, third!], [])).findings).toMatchObject([
    { file: third, line: 1 },
  ])
  expect(readFileSync(second!, 'utf8')).toContain('b.test')
})
