import { execFile } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startUpstream } from '../../test/support/upstream.ts'
import { packageVersion } from './version.ts'

const BIN = join(import.meta.dirname, '../../bin/tidegate')

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs bin/tidegate to its end, without the caller's TIDEGATE_* variables. */
function tidegate(
  args: readonly string[],
  bin = BIN,
  more: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^TIDEGATE_|^REDIS_URL$|^NODE_.*COMPILE_CACHE$/.test(name),
  )
  const env = { ...Object.fromEntries(own), ...more }
  return new Promise((resolve) => {
    execFile(bin, args, { env }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ code, stdout, stderr })
    })
  })
}

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-cli-'))
  writeFileSync(
    join(folder, 'good.yaml'),
    manifest('good', 'http: [{ directResponse: { status: 200 } }]'),
  )
  writeFileSync(
    join(folder, 'bad.yaml'),
    manifest('bad', 'http: [{ directResponse: { status: 99 } }]'),
  )
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

function manifest(name: string, rules: string): string {
  return (
    `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: ${name}, namespace: shop }\n` +
    `spec: { hosts: [${name}.test], ${rules} }\n`
  )
}

describe.concurrent('usage errors exit with 2 and say what to do on stderr', () => {
  const cases: [name: string, args: string[], what: RegExp][] = [
    ['an unknown verb', ['serve'], /unknown command 'serve'/],
    ['an unknown flag', ['run', '--lisen', '80=80'], /unknown option '--lisen'/],
    ['a flag without its value', ['run', '-c'], /argument missing/],
    ['run without a source', ['run'], /no configuration source/],
    [
      'a value that cannot be meant',
      ['run', '-c', '.', '--listen', '80'],
      /"80" is not a port mapping/,
    ],
    ['validate without a path', ['validate'], /missing required argument/],
    [
      'validate of a missing path',
      ['validate', '/no/such/path'],
      /no file or folder \/no\/such\/path/,
    ],
    ['an unknown output format', ['version', '-o', 'xml'], /"xml" is not known/],
  ]
  test.each(cases)('%s', async (_name, args, what) => {
    const { code, stdout, stderr } = await tidegate(args)
    expect(stderr).toMatch(what)
    expect(stderr).toContain('what to do:')
    expect(stderr).not.toMatch(/\n\s+at /)
    expect(stdout).toBe('')
    expect(code).toBe(2)
  })

  test('no verb at all prints the help', async () => {
    const { code, stderr } = await tidegate([])
    expect(stderr).toContain('Usage: tidegate')
    expect(code).toBe(2)
  })
})

describe.concurrent('what was asked for is printed and exits with 0', () => {
  test.each([[['--help']], [['run', '--help']], [['help', 'validate']]])('%j', async (args) => {
    const { code, stdout } = await tidegate(args)
    expect(stdout).toContain('Usage: tidegate')
    expect(code).toBe(0)
  })

  test('version, for people and machines, also through a link', async () => {
    const link = join(folder, 'tidegate')
    symlinkSync(BIN, link)
    const plain = await tidegate(['version'], link)
    expect(plain.stdout).toContain(`tidegate ${packageVersion()} (Node.js `)
    expect(plain.code).toBe(0)
    const json = await tidegate(['version', '-o', 'json'])
    expect(JSON.parse(json.stdout)).toMatchObject({ version: packageVersion() })
  })
})

describe.concurrent('validate', () => {
  test('of good files is 0', async () => {
    const { code, stdout } = await tidegate(['validate', join(folder, 'good.yaml')])
    expect(stdout).toContain('0 errors')
    expect(code).toBe(0)
  })

  test('of a folder with an error is 1, and JSON says where', async () => {
    const { code, stdout } = await tidegate(['validate', folder, '-o', 'json'])
    const report: { errors: number; problems: Record<string, unknown>[] } = JSON.parse(stdout)
    expect(report.errors).toBeGreaterThan(0)
    expect(report.problems.find(({ severity }) => severity === 'error')).toMatchObject({
      kind: 'VirtualService',
      namespace: 'shop',
      name: 'bad',
      file: join(folder, 'bad.yaml'),
      line: expect.any(Number),
    })
    expect(code).toBe(1)
  })
})

describe('healthcheck', () => {
  test('of a gateway that is not there is 3', async () => {
    await using closed = await startUpstream('')
    const { port } = closed
    await closed[Symbol.asyncDispose]()
    const { code, stderr } = await tidegate(['healthcheck', '--status', `127.0.0.1:${port}`])
    expect(stderr).toContain('no answer')
    expect(code).toBe(3)
  })

  test.each([
    [200, 0],
    [503, 3],
  ])('of one that answers %i is %i', async (status, expected) => {
    const paths: string[] = []
    await using gateway = await startUpstream((request, response) => {
      paths.push(request.url ?? '')
      response.writeHead(status).end()
    })
    const { code } = await tidegate(['healthcheck', '--status', `0.0.0.0:${gateway.port}`])
    expect(paths).toEqual(['/healthz/ready'])
    expect(code).toBe(expected)
  })
})

describe('what was compiled is kept', () => {
  test('with the package', async () => {
    const root = join(import.meta.dirname, '../..')
    const installed = join(folder, 'installed')
    for (const part of ['bin', 'node_modules'])
      mkdirSync(join(installed, part), { recursive: true })
    copyFileSync(BIN, join(installed, 'bin/tidegate'))
    for (const part of ['src', 'node_modules/node']) {
      symlinkSync(join(root, part), join(installed, part))
    }
    const { code } = await tidegate(['version'], join(installed, 'bin/tidegate'))
    expect(code).toBe(0)
    expect(readdirSync(join(installed, 'node_modules/.cache/tidegate'))).not.toEqual([])
  })

  test('or where NODE_COMPILE_CACHE says', async () => {
    const elsewhere = join(folder, 'compiled')
    await tidegate(['version'], BIN, { NODE_COMPILE_CACHE: elsewhere })
    expect(readdirSync(elsewhere)).not.toEqual([])
  })

  test.each([
    ['nowhere when it is switched off', { NODE_DISABLE_COMPILE_CACHE: '1' }],
    ['nowhere when nothing can be written there', { NODE_COMPILE_CACHE: '/dev/null/compiled' }],
  ])('%s', async (_name, env: Readonly<Record<string, string>>) => {
    const { code, stdout, stderr } = await tidegate(['version'], BIN, env)
    expect(stdout).toContain(packageVersion())
    expect(stderr).toBe('')
    expect(code).toBe(0)
  })
})
