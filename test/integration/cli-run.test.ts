import { existsSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { type AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { call } from '../support/call.ts'
import { runCommand, serve, TIDEGATE } from '../support/command.ts'
import { callProxy } from '../support/egress.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const SYSTEM_NODE = '/usr/bin/node'

function app(port: number): string {
  return (
    service('app', port) +
    gateway('gw', ['app.test']) +
    virtualService('app', ['app.test'], ['gw'], '  - route: [{ destination: { host: app } }]')
  )
}

const BROKEN = gateway('broken', ['b.test']).replace('servers:', 'server:')

describe('run', () => {
  test('says on one JSON line of stderr what it listens on, and serves there', async () => {
    await using upstream = await startUpstream('app')
    using folder = new TemporaryFolder({ 'app.yaml': app(upstream.port) })
    await using serving = await serve([
      '-c',
      folder.path,
      '--listen',
      '80=127.0.0.1:0',
      '--egress',
      '127.0.0.1:0',
      '--drain-delay',
      '0s',
    ])
    expect(serving.ready).toMatchObject({
      generation: 1,
      listeners: [
        expect.objectContaining({ name: '*:80', type: 'http', gatewayPorts: [80] }),
        expect.objectContaining({ name: 'egress', type: 'egress', gatewayPorts: [] }),
      ],
      admin: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      status: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    })
    expect((await call({ port: serving.port('*:80'), host: 'app.test' })).body).toBe('app')
    expect((await callProxy(serving.port('egress'), 'http://app:8080/')).body).toBe('app')
    serving.signal('SIGTERM')
    const { code, stdout } = await serving.exit()
    expect(code).toBe(0)
    // The access log, and nothing but the access log.
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(2)
    for (const line of lines) expect(line).toMatch(/^\[\d{4}-.*\] "GET \/ HTTP\/1\.1" 200 /)
  })

  test('takes every flag from the environment; flags go before variables', async () => {
    await using upstream = await startUpstream('app')
    using folder = new TemporaryFolder({
      'one/app.yaml': app(upstream.port),
      'two/more.yaml': gateway('other', ['other.test'], 8080),
    })
    const env = {
      TIDEGATE_CONFIG: `${folder.join('one')} ${folder.join('two')}`,
      TIDEGATE_LISTEN: '80=127.0.0.1:0 8080=127.0.0.1:0',
      TIDEGATE_EGRESS: '127.0.0.1:0',
      TIDEGATE_EGRESS_ALLOW: '127.0.0.0/8',
      TIDEGATE_NAMESPACE: 'edge',
      TIDEGATE_NO_WATCH: 'true',
      TIDEGATE_COMPAT: 'true',
      TIDEGATE_DRAIN_TIMEOUT: '7s',
      TIDEGATE_DRAIN_DELAY: '3s',
      TIDEGATE_LOG_FORMAT: 'json',
      TIDEGATE_LOG_LEVEL: 'trace',
      REDIS_URL: '',
    }
    await using serving = await serve(['--drain-delay', '0s', '--log-level', 'info'], { env })
    expect(serving.ready.listeners.map(({ name }) => name)).toEqual(['*:80', '*:8080', 'egress'])
    const info = await fetch(`http://${serving.ready.admin}/server_info`)
    expect(await info.json()).toMatchObject({
      options: {
        namespace: 'edge',
        watch: false,
        compat: true,
        egressAllow: ['127.0.0.0/8'],
        drainTimeoutMs: 7000,
        drainDelayMs: 0,
        redis: '',
      },
      logLevel: 'info',
    })
  })

  test('serves what is right of a folder with mistakes, and lists what is not', async () => {
    await using upstream = await startUpstream('app')
    using folder = new TemporaryFolder({ 'app.yaml': app(upstream.port), 'broken.yaml': BROKEN })
    const args = ['-c', folder.path, '--listen', '80=127.0.0.1:0']
    await using serving = await serve(args)
    expect((await call({ port: serving.port('*:80'), host: 'app.test' })).body).toBe('app')
    const said = await serving.untilLogged(/unknown-field/)
    expect(said['level']).toBe(50)
    expect(said['msg']).toMatch(/broken\.yaml:\d+ Gateway default\/broken .*servers/)
  })

  test('--strict refuses to start instead', async () => {
    using folder = new TemporaryFolder({ 'broken.yaml': BROKEN })
    const args = ['run', '-c', folder.path, '--strict', '--admin', 'off', '--status', 'off']
    const { code, stderr } = await runCommand(args)
    expect(code).toBe(1)
    expect(stderr).toContain('unknown-field')
    expect(stderr).toMatch(
      /tidegate: \d+ errors? in the configuration, and --strict was given\n {2}where: /,
    )
    expect(stderr).not.toMatch(/\n\s+at /)
  })

  test('SIGHUP reads the folder again although it is not watched', async () => {
    await using one = await startUpstream('one')
    await using two = await startUpstream('two')
    using folder = new TemporaryFolder({ 'app.yaml': app(one.port) })
    await using serving = await serve([
      '-c',
      folder.path,
      '--listen',
      '80=127.0.0.1:0',
      '--no-watch',
    ])
    const port = serving.port('*:80')
    expect((await call({ port, host: 'app.test' })).body).toBe('one')
    folder.write('app.yaml', app(two.port))
    serving.signal('SIGHUP')
    await serving.untilLogged('configuration applied')
    expect((await call({ port, host: 'app.test' })).body).toBe('two')
    // A folder that is gone for a moment changes nothing and ends nothing.
    rmSync(folder.join('app.yaml'))
    serving.signal('SIGHUP')
    await waitFor('the empty folder', async () => {
      const status = (await call({ port, host: 'app.test' }).catch(() => null))?.status
      return status === undefined || status === 404
    })
    expect(serving.isRunning).toBe(true)
  })

  test.skipIf(!existsSync(SYSTEM_NODE))(
    'finds a Node.js that is new enough behind an old one on PATH, through a symbolic link, from anywhere',
    async () => {
      using folder = new TemporaryFolder()
      symlinkSync(TIDEGATE, folder.join('first'))
      symlinkSync('first', folder.join('tidegate'))
      const result = await runCommand(['version', '-o', 'json'], {
        command: folder.join('tidegate'),
        cwd: '/',
        env: { PATH: '/usr/bin:/bin' },
      })
      expect(result.stderr).toBe('')
      const { node } = JSON.parse(result.stdout) as { node: string }
      expect(node).toMatch(/^(?:24\.(?:1[7-9]|[2-9]\d)|2[6-9])\./)
    },
  )
})

describe('run says what, where and what to do when', () => {
  const cases: readonly {
    what: string
    args: readonly string[]
    env?: Record<string, string>
    code: number
    says: RegExp
  }[] = [
    { what: 'there is no source', args: ['run'], code: 2, says: /no configuration source/ },
    {
      what: 'a Redis URL is none, which may hold a password',
      args: ['run', '-c', '.', '--redis', 'redis//:pa55word@x'],
      code: 2,
      says: /^(?![^]*pa55word)[^]*--redis/,
    },
    {
      what: 'a variable is none',
      args: ['run', '-c', '.'],
      env: { TIDEGATE_STRICT: 'perhaps' },
      code: 2,
      says: /perhaps/,
    },
    {
      what: 'a path is missing',
      args: ['run', '-c', '/nowhere/at-all'],
      code: 1,
      says: /\/nowhere\/at-all/,
    },
    {
      what: 'a MeshConfig file is missing',
      args: ['run', '-c', 'examples/quickstart/config', '--mesh-config', '/nowhere.yaml'],
      code: 1,
      says: /\/nowhere\.yaml/,
    },
  ]
  test.each(cases)('$what', async ({ args, env = {}, code, says }) => {
    const management = args[0] === 'run' && args.length > 2 ? ['--admin=off', '--status=off'] : []
    const result = await runCommand([...args, ...management], { env })
    expect(result.stderr).toMatch(says)
    expect(result.stderr).toMatch(/^tidegate: .+\n {2}where: .+\n {2}what to do: .+\n$/)
    expect([result.code, result.stdout]).toEqual([code, ''])
  })

  test.each([
    {
      flag: '--admin',
      args: (port: number) => ['--admin', `127.0.0.1:${port}`, '--status', 'off'],
    },
    {
      flag: '--status',
      args: (port: number) => ['--status', `127.0.0.1:${port}`, '--admin', 'off'],
    },
    {
      flag: '--egress',
      args: (port: number) => [
        '--egress',
        `127.0.0.1:${port}`,
        '--admin',
        'off',
        '--status',
        'off',
      ],
    },
    {
      flag: '--listen 80=',
      args: (port: number) => [`--listen=80=127.0.0.1:${port}`, '--admin=off', '--status=off'],
    },
  ])('the port of $flag is taken', async ({ flag, args }) => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    using folder = new TemporaryFolder({ 'gw.yaml': gateway('gw', ['app.test']) })
    const elsewhere = flag.startsWith('--listen') ? [] : ['--listen', '80=127.0.0.1:0']
    const { code, stderr } = await runCommand([
      'run',
      '-c',
      folder.path,
      '--log-level',
      'silent',
      ...elsewhere,
      ...args(port),
    ])
    taken.close()
    expect(code).toBe(1)
    expect(stderr).toMatch(/^tidegate: .*EADDRINUSE.*\n {2}where: .+\n {2}what to do: .+\n$/)
    expect(stderr).toContain(`what to do: free the port`)
    expect(stderr).toContain(flag)
  })
})

test('help names the variables, version speaks YAML', async () => {
  const [help, version] = await Promise.all([
    runCommand(['run', '--help']),
    runCommand(['version', '-o', 'yaml']),
  ])
  expect(help.stdout).toContain('--drain-delay')
  expect(help.stdout).toContain('TIDEGATE_DRAIN_DELAY')
  expect(version.stdout).toMatch(/^version: \d/)
  for (const { code, stderr } of [help, version]) expect([code, stderr]).toEqual([0, ''])
})

test('healthcheck tells ready, not ready and nobody there apart', async () => {
  using folder = new TemporaryFolder({ 'gw.yaml': gateway('gw', ['app.test']) })
  const args = ['-c', folder.path, '--listen', '80=127.0.0.1:0', '--drain-delay', '30s']
  await using serving = await serve(args)
  const status = serving.ready.status!
  const check = (): ReturnType<typeof runCommand> => runCommand(['healthcheck', '--status', status])
  expect(await check()).toEqual({ code: 0, stdout: '', stderr: '' })
  await fetch(`http://${serving.ready.admin}/healthcheck/fail`, { method: 'POST' })
  const failed = await runCommand(['healthcheck'], { env: { TIDEGATE_STATUS: status } })
  expect(failed.code).toBe(3)
  expect(failed.stderr).toMatch(
    /^tidegate: not ready: HTTP 503\n {2}where: .+\n {2}what to do: .+\n$/,
  )
  await fetch(`http://${serving.ready.admin}/healthcheck/ok`, { method: 'POST' })
  expect((await check()).code).toBe(0)
  serving.signal('SIGTERM')
  await serving.untilLogged('SIGTERM: draining')
  expect((await check()).code).toBe(3)
  await serving[Symbol.asyncDispose]()
  const gone = await check()
  expect(gone.code).toBe(3)
  expect(gone.stderr).toMatch(/^tidegate: no answer: .+\n {2}where: .+\n {2}what to do: .+\n$/)
})
