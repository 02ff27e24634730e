import { chmodSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { TemporaryFolder } from '../support/folder.ts'
import { addNastyEntries, NASTY_FILES } from '../support/nasty-files.ts'
import { runCommand } from '../support/command.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

interface Report {
  readonly files: number
  readonly resources: number
  readonly errors: number
  readonly warnings: number
  readonly problems: readonly {
    readonly code: string
    readonly severity: string
    readonly kind: string | null
    readonly namespace: string | null
    readonly name: string | null
    readonly path: string
    readonly message: string
    readonly hint: string | null
    readonly file: string | null
    readonly line: number | null
  }[]
}

const GOOD =
  service('app', 8080) +
  gateway('gw', ['app.test']) +
  virtualService('app', ['app.test'], ['gw'], '  - route: [{ destination: { host: app } }]')

describe('validate', () => {
  test('exits with 0 and a summary when all is well', async () => {
    using folder = new TemporaryFolder({ 'good.yaml': GOOD })
    const { code, stdout, stderr } = await runCommand(['validate', folder.path])
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('4 resources in 1 files: 0 errors, 0 warnings')
    expect([code, stderr]).toEqual([0, ''])
  })

  test('says file, line, resource, field and hint of each problem, as a table, JSON and YAML alike', async () => {
    using folder = new TemporaryFolder({
      'bad.yaml': GOOD.replace('hosts: ["app.test"]\n  gat', 'hots: ["app.test"]\n  gat'),
    })
    const path = folder.join('bad.yaml')
    const [table, json, yaml] = await Promise.all([
      runCommand(['validate', path]),
      runCommand(['validate', path, '-o', 'json']),
      runCommand(['validate', path, '-o', 'yaml']),
    ])
    const report = JSON.parse(json.stdout) as Report
    expect(parse(yaml.stdout)).toEqual(report)
    expect([table.code, json.code, yaml.code]).toEqual([1, 1, 1])
    expect(report).toMatchObject({
      files: 1,
      errors: report.problems.filter(({ severity }) => severity === 'error').length,
    })
    const found = report.problems.find(({ code }) => code === 'unknown-field')
    expect(found).toMatchObject({
      severity: 'error',
      kind: 'VirtualService',
      namespace: 'default',
      name: 'app',
      path: 'spec.hots',
      hint: expect.stringContaining('hosts'),
      file: path,
      line:
        GOOD.split('\n').findIndex(
          (line) => line.includes('hosts: ["app.test"]') && !line.includes('    '),
        ) + 1,
    })
    expect(table.stdout).toContain(
      `error: ${path}:${found!.line} VirtualService default/app spec.hots: `,
    )
  })

  test('with --fail-on warning fails for a warning, else not; a missing Secret is one', async () => {
    const secured = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: tls }
spec:
  servers:
  - port: { number: 443, name: https, protocol: HTTPS }
    hosts: [app.test]
    tls: { mode: SIMPLE, credentialName: not-here }
`
    using folder = new TemporaryFolder({ 'tls.yaml': secured })
    const [plain, strict] = await Promise.all([
      runCommand(['validate', folder.path, '-o', 'json']),
      runCommand(['validate', folder.path, '--fail-on', 'warning', '-o', 'json']),
    ])
    const report = JSON.parse(plain.stdout) as Report
    expect(report.problems.filter(({ severity }) => severity === 'warning')).toEqual([
      expect.objectContaining({
        code: 'secret-not-found',
        path: 'spec.servers[0].tls.credentialName',
      }),
    ])
    expect(report).toMatchObject({ errors: 0, warnings: 1 })
    expect([plain.code, strict.code]).toEqual([0, 1])
  })

  test('with --compat tolerates what Istio does', async () => {
    using folder = new TemporaryFolder({
      'a.yaml': GOOD.replace('  gateways:', '  newField: 1\n  gateways:'),
    })
    const [strict, compat] = await Promise.all([
      runCommand(['validate', folder.path]),
      runCommand(['validate', folder.path, '--compat']),
    ])
    expect([strict.code, compat.code]).toEqual([1, 0])
  })

  test('of a path that does not exist is a usage error', async () => {
    const { code, stdout, stderr } = await runCommand(['validate', '/nowhere/at-all.yaml'])
    expect(stderr).toMatch(
      /^tidegate: .*\/nowhere\/at-all\.yaml\n {2}where: .+\n {2}what to do: .+\n$/,
    )
    expect([code, stdout]).toEqual([2, ''])
  })
})

/** A JavaScript stack trace. */
const TRACE = /\n\s+at .*[:(]|node:internal/

describe('no input', () => {
  test('of a folder full of nasty files ends validate otherwise than with findings', async () => {
    using folder = new TemporaryFolder({ 'good.yaml': GOOD })
    for (const [name, content] of Object.entries(NASTY_FILES)) folder.write(name, content())
    const odd = addNastyEntries(folder)
    const [json, table] = await Promise.all([
      runCommand(['validate', folder.path, '-o', 'json']),
      runCommand(['validate', folder.path]),
    ])
    expect([json.stderr, table.stderr]).toEqual(['', ''])
    expect([json.code, table.code]).toEqual([1, 1])
    expect(json.stdout + table.stdout).not.toMatch(TRACE)
    const report = JSON.parse(json.stdout) as Report
    // What is right beside them is read all the same.
    expect(report.resources).toBeGreaterThanOrEqual(4)
    const fair = ({ file, severity }: Report['problems'][number]): boolean =>
      severity !== 'info' && file === folder.join('good.yaml')
    expect(report.problems.filter(fair)).toEqual([])
    const blamed = new Set(report.problems.map(({ file }) => file?.slice(folder.path.length + 1)))
    // Nothing in it, or nothing of ours.
    const harmless = ['empty.yaml', 'separators.yaml', 'comment.yaml', 'surrogate.yaml']
    const expected = [...Object.keys(NASTY_FILES), ...odd].filter(
      (name) => !harmless.includes(name),
    )
    expect(expected.filter((name) => !blamed.has(name))).toEqual([])
    // Nothing that a file says reaches the terminal as an escape sequence or as a line of its own.
    expect(table.stdout).not.toContain('\u001b')
    for (const line of table.stdout.trimEnd().split('\n').slice(0, -1)) {
      expect(line).toMatch(/^(?:error|warning|info): /)
    }
    expect(table.stdout).not.toMatch(/^error: forged/m)
  }, 60_000)

  test.each(['junk.yaml', 'large.yaml', 'bomb-in-mesh.yaml', 'mesh.yaml', 'mesh-types.yaml'])(
    '%s, alone, is more than the command can take',
    async (name) => {
      using folder = new TemporaryFolder({ [name]: NASTY_FILES[name]!() })
      const { code, stdout, stderr } = await runCommand(['validate', folder.join(name)])
      expect([code === 0 || code === 1, stderr]).toEqual([true, ''])
      expect(stdout).not.toMatch(TRACE)
      expect(stdout).toMatch(/resources in 1 files/)
    },
    30_000,
  )

  test.skipIf(process.getuid?.() !== 0)('that may not be read goes unreported', async () => {
    using folder = new TemporaryFolder({ 'secret.yaml': GOOD, 'closed/x.yaml': GOOD })
    chmodSync(folder.path, 0o755)
    chmodSync(folder.join('secret.yaml'), 0o000)
    chmodSync(folder.join('closed'), 0o000)
    const nobody = 65534
    const { code, stdout, stderr } = await runCommand(['validate', folder.path, '-o', 'json'], {
      uid: nobody,
      env: { HOME: '/' },
    })
    expect([code, stderr]).toEqual([1, ''])
    const { problems } = JSON.parse(stdout) as Report
    const denied = problems.filter(({ message }) => message.includes('permission is denied'))
    expect(denied.map(({ file }) => file).toSorted()).toEqual(
      [folder.join('closed'), folder.join('secret.yaml')].toSorted(),
    )
  })
})
