import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { call } from '../support/call.ts'
import { type CommandResult, runCommand } from '../support/command.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { limitedByAll } from '../support/seen-limits.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

// A test starts the command several times: seconds each on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

let app: Upstream
let gw: TestGateway
let files: TemporaryFolder

beforeAll(async () => {
  app = await startUpstream('app')
  const texts = limitedByAll(app.port)
  gw = await startGateway(texts)
  files = new TemporaryFolder(texts)
})
afterAll(async () => {
  files[Symbol.dispose]()
  await gw[Symbol.asyncDispose]()
  await app[Symbol.asyncDispose]()
})

function limit(...args: readonly string[]): Promise<CommandResult> {
  return runCommand(['limit', ...args, '--admin', gw.admin.replace('http://', '')])
}

function limitOffline(...args: readonly string[]): Promise<CommandResult> {
  return runCommand(['limit', ...args, '-c', files.path])
}

async function ask(times: number, headers: Readonly<Record<string, string>>): Promise<number> {
  let status = 0
  for (let i = 0; i < times; i++) {
    status = (await call({ port: gw.port(80), host: 'app.test', path: '/', headers })).status
  }
  return status
}

/** Lines of a table, each as its cells. */
function cells(table: string): readonly (readonly string[])[] {
  return table
    .trimEnd()
    .split('\n')
    .map((row) => row.split(/ {3,}/))
}

const CALL = ['GET', 'http://app.test/', '-H', 'x-user: bob'] as const

test('of files: every rule with the entries it makes, what is missing, and file and line', async () => {
  const found = await limitOffline('explain', ...CALL, '--from', '192.0.2.7')
  expect(found).toMatchObject({ code: 0, stderr: '' })
  const text = found.stdout.replaceAll(files.path, 'FOLDER')
  expect(text).toMatch(/^=> limits apply; what is left of them only a running gateway knows/)
  expect(text).toMatch(/rule {10}edge {2}user {2}applies\n.*\n {2}entries {5}user=bob\n/)
  expect(text).toMatch(/limit at .*\(FOLDER\/limits\.yaml:8\), line 3 of it\n/)
  expect(text).toMatch(/app_all {2}applies, shadow: refuses nobody/)
  expect(text).toMatch(/why {9}header x-plan is missing/)
  expect(text).toMatch(/why {9}the condition does not hold: headers\.x-key present/)
  expect(text).toMatch(/RateLimitPolicy default\/api spec\.rules\[0\] \(FOLDER\/app\.yaml:\d+\)/)
  expect(text).toMatch(/limit {7}20 per 8760h, GCRA, burst 20/)
})

test('of a gateway: the state of counters, the decision, and exit 1 for a denial', async () => {
  const fine = await limit('explain', ...CALL)
  expect(fine.code).toBe(0)
  expect(fine.stdout).toMatch(/^=> admitted now by every limit\n/)
  expect(fine.stdout).toMatch(/now {9}fits: 0 used, 3 left, whole in \d+s/)
  expect(await ask(4, { 'x-user': 'bob' })).toBe(429)
  const denied = await limit('explain', ...CALL)
  expect(denied.code).toBe(1)
  expect(denied.stdout).toMatch(/^=> denied now: 429\n/)
  const [json, yaml] = await Promise.all([
    limit('explain', ...CALL, '-o', 'json'),
    limit('explain', ...CALL, '-o', 'yaml'),
  ])
  expect(JSON.parse(json.stdout)).toMatchObject({ live: true, decision: 'deny', status: 429 })
  expect(parse(yaml.stdout)).toMatchObject({ decision: 'deny' })
})

test('top lists the counters, reset frees one of them', async () => {
  expect(await ask(4, { 'x-user': 'mallory' })).toBe(429)
  const shown = await limit('top')
  expect(shown).toMatchObject({ code: 0, stderr: '' })
  expect(shown.stdout).not.toContain('mallory')
  const [where, keys = '', rules = ''] = shown.stdout.split('\n\n')
  expect(where).toBe('counted in this process')
  const titles = 'POLICY RULE KEY STATE LIMIT USED LEFT RESET DENIED'.split(' ')
  expect(cells(keys)[0]).toEqual([...titles, 'WOULD DENY'])
  expect(cells(keys).filter(([, rule]) => rule === 'user')).toContainEqual([
    'edge',
    'user',
    expect.stringMatching(/^[\w-]{22}$/),
    'over',
    '3 per 8760h, fixed window',
    '3/3',
    '0',
    expect.stringMatching(/^\d+s$/),
    '1',
    '0',
  ])
  const counted = cells(rules).find(([, rule]) => rule === 'app_all')
  expect(counted?.[3]).toBe('0')
  expect(Number(counted?.[4])).toBeGreaterThan(0)
  const two = await limit('top', '--limit', '2', '-o', 'json')
  expect((JSON.parse(two.stdout) as { keys: unknown[] }).keys).toHaveLength(2)

  const freed = await limit('reset', '--domain', 'edge', '--entry', 'user=mallory')
  expect(freed).toMatchObject({ code: 0, stderr: '' })
  expect(freed.stdout).toBe('1 of 1 named counters had something to forget\n')
  expect(await ask(3, { 'x-user': 'mallory' })).toBe(200)
})

test('what reset cannot name it says, with what to do', async () => {
  const [rule, part, unknown, nobody, count] = await Promise.all([
    limit('reset', '--policy', 'default/api', '--rule', 'per-key'),
    limit('reset', '--policy', 'default/api'),
    limit('reset', '--policy', 'default/apl'),
    runCommand(['limit', 'top', '--admin', '127.0.0.1:1']),
    limit('top', '--limit', '900'),
  ])
  expect(rule.code).toBe(2)
  expect(rule.stderr).toMatch(/per-key: it has one counter for each headers\.x-key/)
  expect(part.code).toBe(1)
  expect(part.stdout).toMatch(/left as it was: gold: it has one counter for each source/)
  expect(unknown.code).toBe(1)
  expect(unknown.stderr).toMatch(/did you mean "default\/api"\?\n {2}where: limit reset\n/)
  expect([nobody.code, count.code]).toEqual([3, 2])
})
