import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from 'dns-packet'
import { expect, test } from 'vitest'
import { runCommand, serve } from '../support/command.ts'
import { dnsByUdp, dnsQuery, recordsOf } from '../support/dns-client.ts'
import { TemporaryFolder } from '../support/folder.ts'

const GATEWAY = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw-client }
spec:
  selector: { istio: ingressgateway }
  servers:
  - hosts: [calcclient.com]
    port: { number: 80, name: http, protocol: HTTP }
---
apiVersion: v1
kind: Service
metadata: { name: istio-ingressgateway, namespace: istio-system }
spec:
  type: LoadBalancer
  selector: { app: istio-ingressgateway, istio: ingressgateway }
  ports: [{ name: http2, port: 80 }]
`
const EMPTY = 'status: { loadBalancer: {} }\n'
const ASSIGNED = 'status: { loadBalancer: { ingress: [{ ip: 203.0.113.7 }] } }\n'

interface Report {
  readonly complete: boolean
  readonly hosts: readonly { host: string; state: string; records: readonly unknown[] }[]
}

test('a pending load balancer is exit 3 with the ways out, an assigned address exit 0', async () => {
  using folder = new TemporaryFolder()
  const file = join(folder.path, 'gw.yaml')
  writeFileSync(file, GATEWAY + EMPTY)
  const pending = await runCommand(['dns', '-c', file])
  expect(pending.code).toBe(3)
  expect(pending.stdout).toContain('no load balancer has assigned an address')
  expect(pending.stdout).toMatch(/ 1\. [\s\S]* 2\. [\s\S]* 3\. /)
  const advertised = await runCommand(['dns', '-c', file, '--advertise', 'lb.example.net'])
  expect([advertised.code, advertised.stdout]).toEqual([
    0,
    expect.stringMatching(/calcclient\.com +CNAME +lb\.example\.net +--advertise/),
  ])
  writeFileSync(file, GATEWAY + ASSIGNED)
  const ready = await runCommand(['dns', '-c', file, '-o', 'json'])
  expect(ready.code).toBe(0)
  expect(JSON.parse(ready.stdout) as Report).toMatchObject({
    complete: true,
    hosts: [
      {
        host: 'calcclient.com',
        records: [{ name: 'calcclient.com', type: 'A', value: '203.0.113.7' }],
      },
    ],
  })
})

test('a Gateway with errors is exit 1, a value that is no address exit 2, no gateway exit 3', async () => {
  using folder = new TemporaryFolder()
  const file = join(folder.path, 'gw.yaml')
  writeFileSync(file, GATEWAY.replace('[calcclient.com]', '[]') + ASSIGNED)
  const broken = await runCommand(['dns', '-c', file])
  expect([broken.code, broken.stderr]).toEqual([1, expect.stringContaining('Gateway')])
  expect((await runCommand(['dns', '-c', file, '--advertise', '1.2.3'])).code).toBe(2)
  expect((await runCommand(['dns', '--admin', '127.0.0.1:1'])).code).toBe(3)
})

test('a running gateway tells the same, and answers what it tells', async () => {
  using folder = new TemporaryFolder()
  writeFileSync(join(folder.path, 'gw.yaml'), GATEWAY + EMPTY)
  await using running = await serve([
    '-c',
    folder.path,
    '--log-format=json',
    '--listen=80=127.0.0.1:0',
    '--dns=127.0.0.1:0',
    '--advertise=192.0.2.7',
  ])
  const report = await runCommand(['dns', '--admin', running.ready.admin ?? '', '-o', 'json'])
  expect(report.code).toBe(0)
  expect(JSON.parse(report.stdout)).toMatchObject({
    complete: true,
    hosts: [{ from: '--advertise', records: [{ type: 'A', value: '192.0.2.7' }] }],
  })
  const { dns } = running.log.find(({ msg }) => msg === 'ready') ?? {}
  const port = Number(String(dns).split(':')[1])
  const answer = decode(await dnsByUdp(port, dnsQuery('calcclient.com')))
  expect(recordsOf(answer)).toEqual(['A 192.0.2.7'])
})
