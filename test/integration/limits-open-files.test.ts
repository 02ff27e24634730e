import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { serve, type ServingCommand, TIDEGATE } from '../support/command.ts'
import { H2Client } from '../support/h2-client.ts'
import { RawServer } from '../support/raw-socket.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { meshConfig } from '../support/wire-gateway.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const OPEN_FILES = 200
const RESERVED = 50

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-open-files-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const clients: Socket[] = []
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy()
})

/** A gateway that answers 204 by itself, so that a connection costs one open file. */
function serving(connectionSettings: object, command?: string): Promise<ServingCommand> {
  const mesh = meshConfig(JSON.stringify({ defaultConfig: { connectionSettings } }))
  const rule = '  - directResponse: { status: 204 }'
  const routes = gateway('gw', ['app.test']) + virtualService('app', ['app.test'], ['gw'], rule)
  return servingYaml(mesh + routes, command)
}

function servingYaml(yaml: string, command?: string): Promise<ServingCommand> {
  const file = join(folder, 'config.yaml')
  writeFileSync(file, yaml)
  const args = ['-c', file, '--no-watch', '--listen', '80=127.0.0.1:0', '--log-format', 'json']
  return serve(args, command === undefined ? {} : { command })
}

/** bin/tidegate as a shell with `ulimit -n` starts it. */
function limited(): string {
  const script = join(folder, 'limited')
  writeFileSync(script, `#!/bin/sh\nulimit -n ${OPEN_FILES}\nexec '${TIDEGATE}' "$@"\n`)
  chmodSync(script, 0o755)
  return script
}

type Kept = 'answered' | 'reset' | 'refused'

function keep(port: number): Promise<Kept> {
  const client = connect({ port, host: '127.0.0.1' })
  clients.push(client)
  client.write('GET / HTTP/1.1\r\nHost: app.test\r\n\r\n')
  return new Promise((resolve) => {
    client.once('data', () => resolve('answered'))
    client.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ECONNREFUSED' ? 'refused' : 'reset'),
    )
    client.once('close', () => resolve('reset'))
  })
}

async function keepMany(count: number, port: number): Promise<number> {
  const kept = await Promise.all(Array.from({ length: count }, () => keep(port)))
  return kept.filter((outcome) => outcome === 'answered').length
}

async function metrics(gw: ServingCommand): Promise<string> {
  return (await fetch(`http://${gw.ready.admin!}/stats/prometheus`)).text()
}

async function refused(gw: ServingCommand): Promise<string> {
  const text = await metrics(gw)
  return [...text.matchAll(/^tidegate_downstream_refused_total\{(.*)\} \d+$/gm)]
    .map(([, labels]) => /reason="([^"]+)"/.exec(labels!)![1]!)
    .join()
}

const healthy = async (gw: ServingCommand): Promise<number> =>
  (await fetch(`http://${gw.ready.status!}/healthz/ready`)).status

function openFiles(gw: ServingCommand): number {
  return readdirSync(`/proc/${gw.child.pid}/fd`).length
}

test('without a limit in the configuration connections take half of the open files', async () => {
  await using gw = await serving({}, limited())
  expect(await keepMany(180, gw.port('*:80'))).toBe(OPEN_FILES / 2)
  expect(await refused(gw)).toBe('total-connection-limit')
  expect(await healthy(gw)).toBe(200)
}, 40_000)

test('with a limit out of reach some open files are left for admin and status', async () => {
  await using gw = await serving({ globalDownstreamConnectionLimit: 10_000 }, limited())
  const before = openFiles(gw)
  const kept = await keepMany(300, gw.port('*:80'))
  expect(kept).toBeLessThanOrEqual(OPEN_FILES - RESERVED - before + 5)
  expect(kept).toBeGreaterThan(OPEN_FILES - RESERVED - before - 20)
  expect(await refused(gw)).toBe('open-file-limit')
  expect(await healthy(gw)).toBe(200)
  for (const client of clients) client.destroy()
  await waitFor('room', async () => (await keep(gw.port('*:80'))) === 'answered')
}, 40_000)

/** CPU seconds of a process so far. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

function limitOpenFiles(gw: ServingCommand, files: number): void {
  execFileSync('prlimit', ['--pid', String(gw.child.pid), `--nofile=${files}:`])
}

test('when no file can be opened any more it neither ends nor spins, and takes up again', async () => {
  await using gw = await serving({})
  const port = gw.port('*:80')
  expect(await keep(port)).toBe('answered')
  const [kept] = clients
  limitOpenFiles(gw, 10)
  // Waits in the backlog, where nothing can fetch it: libuv would ask again and again.
  const waiting = keep(port)
  await gw.untilLogged(/no file can be opened any more/)
  expect(await waiting).toBe('reset')
  expect(await keep(port)).toBe('refused')
  const [began, used] = [performance.now(), cpuSeconds(gw.child.pid!)]
  let text = ''
  kept!.on('data', (chunk: Buffer) => (text += chunk.toString()))
  kept!.write('GET / HTTP/1.1\r\nHost: app.test\r\n\r\n')
  await waitFor('an answer on the kept connection', () => text.includes(' 204 '))
  await waitFor('half a second', () => performance.now() - began > 500)
  expect(cpuSeconds(gw.child.pid!) - used).toBeLessThan(0.3)
  limitOpenFiles(gw, 1000)
  await gw.untilLogged(/files can be opened again/)
  expect(await keep(port)).toBe('answered')
  expect(gw.log.filter(({ msg }) => String(msg).startsWith('no file'))).toHaveLength(1)
}, 40_000)

const LOG_FORMAT = '%RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_TRANSPORT_FAILURE_REASON%'
const STREAMS = 80
const SLOW_CLUSTER = '{cluster_name="outbound|8080||slow.default.svc.cluster.local"}'

/** Streams to slow.test, which answers none: statuses are the gateway's own. */
function askSlow(client: H2Client, statuses: number[]): void {
  for (let nth = 0; nth < STREAMS; nth++) {
    const stream = client.open({ ':path': '/', ':authority': 'slow.test' })
    stream.on('response', (headers) => statuses.push(headers[':status'] ?? 0))
    stream.resume()
  }
}

test('connections to endpoints leave some open files too: the request is answered UO', async () => {
  let asked = 0
  await using slow = await new RawServer((socket) => socket.once('data', () => asked++)).listen()
  await using app = await startUpstream('hello')
  await using gw = await servingYaml(
    meshConfig(JSON.stringify({ accessLogFile: '/dev/stdout', accessLogFormat: LOG_FORMAT })) +
      service('slow', slow.port) +
      service('app', app.port) +
      gateway('gw', ['*.test']) +
      virtualService(
        'slow',
        ['slow.test'],
        ['gw'],
        '  - route: [{ destination: { host: slow } }]',
      ) +
      virtualService('app', ['app.test'], ['gw'], '  - route: [{ destination: { host: app } }]'),
    limited(),
  )
  const port = gw.port('*:80')
  await using kept = new H2Client(port)
  expect(await kept.fetch({ ':path': '/', ':authority': 'app.test' })).toMatchObject({
    status: 200,
  })
  const before = openFiles(gw)
  const hungry = [new H2Client(port), new H2Client(port), new H2Client(port)]
  const statuses: number[] = []
  for (const client of hungry) askSlow(client, statuses)
  await waitFor('every stream', () => statuses.length + asked === hungry.length * STREAMS)
  expect(new Set(statuses)).toEqual(new Set([503]))
  expect(asked).toBeGreaterThan(OPEN_FILES - RESERVED - before - 20)
  expect(openFiles(gw)).toBeLessThanOrEqual(OPEN_FILES - RESERVED + 5)
  expect(await healthy(gw)).toBe(200)
  const count = await metrics(gw)
  expect(count).toContain(`cx_overflow${SLOW_CLUSTER} ${statuses.length}\n`)
  expect(count).toContain(`cx_connect_fail${SLOW_CLUSTER} 0\n`)
  expect(await kept.fetch({ ':path': '/', ':authority': 'app.test' })).toMatchObject({
    body: 'hello',
  })
  expect(gw.log.filter(({ msg }) => String(msg).startsWith('no file'))).toEqual([])
  const served = asked
  for (const client of hungry) await client[Symbol.asyncDispose]()
  await waitFor('room', () => openFiles(gw) < before + 5)
  kept.open({ ':path': '/', ':authority': 'slow.test' })
  await waitFor('another connection', () => asked === served + 1)
  const line = '503 UO no_open_file_left_for_connections'
  await waitFor('the access log', () => gw.stdout.includes(line))
}, 40_000)
