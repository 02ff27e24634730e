import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { call } from '../../test/support/call.ts'
import { serve } from '../../test/support/command.ts'
import { startGateway, type TestGateway } from '../../test/support/gateway.ts'
import { gateway, virtualService } from '../../test/support/yaml.ts'
import { waitFor } from '../../test/support/wait.ts'
import { meshConfig } from '../../test/support/wire-gateway.ts'
import { Headers } from '../http/headers.ts'
import { invariants, writeFields } from '../http/message-writer.ts'

const logs = mkdtempSync(join(tmpdir(), 'tidegate-logs-'))
afterAll(() => rmSync(logs, { recursive: true, force: true }))

const ROUTES =
  gateway('gw', ['app.test']) +
  virtualService('app', ['app.test'], ['gw'], '  - directResponse: { status: 204 }')

function get(gw: TestGateway, path: string): Promise<unknown> {
  return call({ port: gw.port(80), host: 'app.test', path })
}

test('accessLogFile names the file; a reload follows another name, and a rotated one', async () => {
  const [first, second] = [join(logs, 'first.log'), join(logs, 'second.log')]
  {
    await using gw = await startGateway(ROUTES, { ports: [80] })
    gw.write('mesh.yaml', meshConfig(`accessLogFile: ${first}`))
    await gw.reload()
    await get(gw, '/one')
    renameSync(first, `${first}.1`)
    await gw.reload()
    await get(gw, '/two')
    gw.write('mesh.yaml', meshConfig(`accessLogFile: ${second}`))
    await gw.reload()
    await get(gw, '/three')
    expect(gw.accessLog()).toBe('')
  }
  const paths = (file: string): readonly string[] =>
    [...readFileSync(file, 'utf8').matchAll(/GET (\S+)/g)].map(([, path]) => path!)
  expect([paths(`${first}.1`), paths(first), paths(second)]).toEqual([
    ['/one'],
    ['/two'],
    ['/three'],
  ])
})

test('a file that cannot be opened leaves the log where it was', async () => {
  await using gw = await startGateway(
    { 'routes.yaml': ROUTES, 'mesh.yaml': meshConfig('accessLogFile: /nonexistent/access.log') },
    { ports: [80] },
  )
  await get(gw, '/kept')
  await gw.gateway.close()
  expect(gw.accessLog()).toContain('GET /kept')
  expect(existsSync('/nonexistent')).toBe(false)
})

test('messages that the last check kept from the wire are a metric', async () => {
  await using gw = await startGateway(ROUTES, { ports: [80] })
  const counted = async (): Promise<number> => {
    const text = await (await fetch(`http://${gw.gateway.statusAddress!}/stats/prometheus`)).text()
    return Number(/^tidegate_invariant_violations_total (\d+)$/m.exec(text)?.[1])
  }
  const before = await counted()
  expect(before).toBe(invariants.violations)
  expect(writeFields(new Headers(['x', 'a\r\nb: c']))).toBeNull()
  expect(await counted()).toBe(before + 1)
})

test('/dev/stderr is the standard error of the process', async () => {
  const config = join(logs, 'config.yaml')
  writeFileSync(config, ROUTES + meshConfig('accessLogFile: /dev/stderr'))
  await using gw = await serve(['-c', config, '--no-watch', '--listen', '80=127.0.0.1:0'])
  await call({ port: gw.port('*:80'), host: 'app.test', path: '/seen' })
  await waitFor('the line', () => gw.stderr.includes('GET /seen'))
  expect(gw.stdout).toBe('')
}, 40_000)
