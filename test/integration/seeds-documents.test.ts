import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { problemsOf, type ShownProblem } from '../support/admin-view.ts'
import { type CommandResult, runCommand, serve } from '../support/command.ts'
import { call } from '../support/call.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { startGateway } from '../support/gateway.ts'
import { seedFixture, SEEDS } from '../support/seed-fixture.ts'
import { startUpstream } from '../support/upstream.ts'
import { workload } from '../support/workload.ts'

const SLIPS = join(SEEDS, 'slips')
const DOCUMENTS = join(SEEDS, 'documents')
const START_TIMEOUT_MS = 30_000

interface Validation {
  readonly resources: number
  readonly errors: number
  readonly problems: readonly ShownProblem[]
}

function read(result: CommandResult): Validation {
  return JSON.parse(result.stdout) as Validation
}

describe('slips of the notes', () => {
  let result: CommandResult
  let text: CommandResult

  beforeAll(async () => {
    result = await runCommand(['validate', '-o', 'json', SLIPS])
    text = await runCommand(['validate', SLIPS])
  }, START_TIMEOUT_MS)

  test.each<[string, string, number, string, RegExp]>([
    [
      'fields one space under their siblings',
      'service-entry-indent',
      8,
      'bad-indent',
      /indent `ports` by 2/,
    ],
    [
      'a field of a list entry that fell to spec level',
      'dedented-port',
      10,
      'unknown-field',
      /ports\[0\]\.name/,
    ],
    ['the next one of that entry', 'dedented-port', 11, 'unknown-field', /ports\[0\]\.protocol/],
    ['a missing colon', 'missing-colon', 9, 'missing-colon', /`- name: http`/],
    ['metadataL', 'metadata-typo', 3, 'missing-metadata', /rename `metadataL` to `metadata`/],
    ['a comment behind two slashes', 'slash-comment', 6, 'slash-comment', /with `#`/],
    ['a block indented with tabs', 'tab-block', 1, 'tab-indent', /two spaces/],
    ['a tab at the end of a line', 'trailing-tab', 9, 'trailing-tab', /delete the tab/],
    ['a command pasted into the YAML', 'shell-line', 14, 'shell-line', /delete the line.*document/],
  ])('%s: file, line and cure are named', (_name, slip, line, code, cure) => {
    const file = join(SLIPS, `${slip}.yaml`)
    const found = read(result).problems.find((one) => one.file === file && one.line === line)
    expect(found?.code).toBe(code)
    expect(found?.hint).toMatch(cure)
    const shown = text.stdout.split('\n').find((one) => one.includes(`${file}:${line}`))
    expect(shown).toMatch(cure)
  })

  test('end in status 1 and no stack trace', () => {
    expect([result.code, text.code]).toEqual([1, 1])
    expect(text.stdout + text.stderr + result.stderr).not.toMatch(
      /\n\s+at |node:internal|\.ts:\d+:\d+/,
    )
  })

  test('no other document of their files is lost, or complained about', () => {
    const files = readdirSync(SLIPS)
    // A sound Service in each, and the rule that only ends in a tab.
    expect(read(result).resources).toBe(files.length + 1)
    expect(read(result).problems.filter((one) => one.name?.startsWith('sound-'))).toEqual([])
  })

  test('--compat takes unknown fields like Istio, with a warning', async () => {
    const file = join(SLIPS, 'dedented-port.yaml')
    const compat = await runCommand(['validate', '--compat', '-o', 'json', file])
    const unknown = read(compat).problems.filter((one) => one.code === 'unknown-field')
    expect(unknown.map((one) => one.severity)).toEqual(['warning', 'warning'])
  })

  test('a gateway that is started on them serves what is sound beside them', async () => {
    await using web = await startUpstream('served')
    const files = Object.fromEntries(
      readdirSync(SLIPS).map((name) => [name, readFileSync(join(SLIPS, name), 'utf8')]),
    )
    const services = readdirSync(SLIPS).map((name) => `sound-beside-${name.replace('.yaml', '')}`)
    const pods = services.map((service) => workload(service, service, { port: web.port }))
    const yaml = { ...files, 'pods.yaml': pods.join('') }
    await using gw = await startGateway(yaml, { egressProxy: true })
    for (const service of services) {
      const answer = await call({ port: gw.egressPort, path: `http://${service}/`, host: service })
      expect([service, answer.body]).toEqual([service, 'served'])
    }
    const errors = (await problemsOf(gw)).filter((problem) => problem.severity === 'error')
    expect(errors.length).toBe(read(result).errors)
  })
})

describe('documents of the notes', () => {
  test('load without an error once their slips are mended', async () => {
    const result = await runCommand(['validate', '-o', 'json', DOCUMENTS])
    const { errors, problems } = read(result)
    expect(problems.filter((problem) => problem.severity === 'error')).toEqual([])
    expect([result.code, errors]).toEqual([0, 0])
    const warned = problems.filter((one) => one.severity === 'warning').map((one) => one.code)
    expect(warned).toEqual(
      expect.arrayContaining([
        'cidr-host-bits',
        'deprecated-field',
        'ejection-percent-default',
        'enum-repaired',
      ]),
    )
  })

  test.each(['v1', 'v1beta1'])('load as %s too', async (version) => {
    const files = Object.fromEntries(
      readdirSync(DOCUMENTS).map((name) => {
        const text = readFileSync(join(DOCUMENTS, name), 'utf8')
        return [name, text.replaceAll('istio.io/v1alpha3', `istio.io/${version}`)]
      }),
    )
    await using gw = await startGateway(files, { ports: [80, 8080] })
    const errors = (await problemsOf(gw)).filter((problem) => problem.severity === 'error')
    expect(errors).toEqual([])
  })
})

describe('the command', () => {
  test(
    'run serves both Gateways of S15 on one port, healthcheck follows it, SIGTERM ends it with 0',
    async () => {
      await using calc = await startUpstream('calc')
      using folder = new TemporaryFolder({
        's15.yaml': seedFixture('s15-ports'),
        'calc.yaml': workload('calcclient', 'calc', { port: calc.port }),
      })
      const labels = 'app=istio-ingressgateway,istio=ingressgateway'
      const flags = ['--labels', labels, '--listen', '8080=127.0.0.1:0', '--drain-delay', '0s']
      await using running = await serve(['-c', folder.path, ...flags])
      const { listeners, admin, status } = running.ready
      expect(listeners.map((listener) => listener.gatewayPorts)).toEqual([[80, 8080]])
      const port = running.port('*:8080')
      for (const host of ['calcclient.com', 'calcclient.org']) {
        const answer = await call({ port, path: '/calc', host })
        expect(answer).toMatchObject({ status: 200, body: 'calc' })
      }
      const dump = await fetch(`http://${admin}/config_dump?resource=routes`)
      const { routes } = (await dump.json()) as { routes: { name: string }[] }
      expect(routes.map((table) => table.name)).toEqual(['http.8080'])
      expect((await runCommand(['healthcheck', '--status', status!])).code).toBe(0)
      running.signal('SIGTERM')
      expect((await running.exit()).code).toBe(0)
      const after = await runCommand(['healthcheck', '--status', status!])
      expect(after.code).toBe(3)
      expect(after.stderr).toContain(status!)
    },
    START_TIMEOUT_MS,
  )

  test('version names its own and that of Node.js', async () => {
    const { code, stdout } = await runCommand(['version', '-o', 'json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ version: expect.stringMatching(/^\d+\.\d+\.\d+/) })
  })
})
