import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { problemsOf } from '../support/admin-view.ts'
import { call } from '../support/call.ts'
import { startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'

const TASK = join(import.meta.dirname, '..', 'fixtures', 'mirroring', 'httpbin.yaml')

function task(v1: number, v2: number): string {
  return readFileSync(TASK, 'utf8').replaceAll('${v1}', String(v1)).replaceAll('${v2}', String(v2))
}

function suffixed(yaml: string): string {
  return yaml.replace(
    /(kind: VirtualService\nmetadata:\n)/,
    '$1  annotations: { tidegate.dev/mirror-suffix: "true" }\n',
  )
}

test('the mirroring task: v1 answers, v2 gets a copy with the same Host', async () => {
  await using v1 = await startUpstream('v1')
  await using v2 = await startUpstream('v2')
  await using gw = await startGateway(task(v1.port, v2.port), { ports: [80] })
  expect((await problemsOf(gw)).filter(({ severity }) => severity !== 'info')).toEqual([])
  const answer = await call({ port: gw.port(80), host: 'httpbin.test', path: '/headers?a=1' })
  expect([answer.status, answer.body]).toEqual([200, 'v1'])
  const copy = await waitFor('the copy', () => v2.seen[0])
  expect([copy.method, copy.url]).toEqual(['GET', '/headers?a=1'])
  expect(copy.headers.host).toBe('httpbin.test')
  expect(copy.headers['x-forwarded-for']).toBe('127.0.0.1,127.0.0.1')
  const [original] = v1.seen
  expect(original!.headers.host).toBe('httpbin.test')
  expect(original!.headers['x-forwarded-for']).toBe('127.0.0.1')
  expect(copy.headers['x-request-id']).toBe(original!.headers['x-request-id'])
})

test('with tidegate.dev/mirror-suffix the copy has -shadow behind its host, as before Istio 1.28', async () => {
  await using v1 = await startUpstream('v1')
  await using v2 = await startUpstream('v2')
  await using gw = await startGateway(suffixed(task(v1.port, v2.port)), { ports: [80] })
  await call({ port: gw.port(80), host: 'httpbin.test' })
  const copy = await waitFor('the copy', () => v2.seen[0])
  expect(copy.headers.host).toBe('httpbin.test-shadow')
})

test('a change of the percentage to 0 stops the copies, and back to 100 brings them again', async () => {
  await using v1 = await startUpstream('v1')
  await using v2 = await startUpstream('v2')
  const yaml = task(v1.port, v2.port)
  await using gw = await startGateway(yaml, { ports: [80] })
  const ask = (): Promise<unknown> => call({ port: gw.port(80), host: 'httpbin.test' })
  await ask()
  await waitFor('the first copy', () => v2.seen.length === 1)
  gw.write('config.yaml', yaml.replace('value: 100.0', 'value: 0'))
  await gw.reload()
  await ask()
  gw.write('config.yaml', yaml)
  await gw.reload()
  await ask()
  await waitFor('the last copy', () => v2.seen.length === 2)
  expect([v1.seen.length, v2.seen.length]).toEqual([3, 2])
})
