import { decode, type Packet } from 'dns-packet'
import { expect, test } from 'vitest'
import { codeOf, dig, dnsByTcp, dnsByUdp, dnsQuery, recordsOf } from '../support/dns-client.ts'
import { startDnsServer } from '../support/dns-server.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'

const CONFIG = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw-client }
spec:
  selector: { istio: ingressgateway }
  servers:
  - hosts: [calcclient.com, '*.shop.example.com']
    port: { number: 80, name: http, protocol: HTTP }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { clusterIPs: [10.96.0.9, 'fd00::9'], ports: [{ name: http, port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: headless, namespace: shop }
spec: { clusterIP: None, ports: [{ name: http, port: 80 }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: own-address }
spec:
  hosts: [db.example.net]
  addresses: [192.0.2.10, 192.0.2.16/28]
  ports: [{ number: 3306, name: tcp, protocol: TCP }]
  resolution: STATIC
  endpoints: [{ address: 10.1.1.1 }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: no-address }
spec:
  hosts: [mysql-1.example.net, mysql-2.example.net]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: opted-out, labels: { networking.istio.io/enable-autoallocate-ip: 'false' } }
spec:
  hosts: [plain.example.net]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: DNS
`

function balancer(ingress: string): string {
  return `apiVersion: v1
kind: Service
metadata: { name: istio-ingressgateway, namespace: istio-system }
spec:
  type: LoadBalancer
  selector: { istio: ingressgateway }
  ports: [{ name: http, port: 80 }]
status: { loadBalancer: ${ingress} }
`
}

const ASSIGNED = balancer('{ ingress: [{ ip: 203.0.113.7 }] }')
const LISTEN = { listen: { host: '127.0.0.1', port: 0 }, clients: [], advertise: [] }

function portOf({ gateway }: TestGateway): number {
  return Number(gateway.dnsAddress?.split(':')[1])
}

test('Gateway, Service and ServiceEntry hosts are answered, each family by its own records', async () => {
  await using names = await startDnsServer({})
  const files = { 'config.yaml': CONFIG, 'service.yaml': ASSIGNED }
  await using gw = await startGateway(files, { dns: LISTEN, resolvers: [names.address] })
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ['calcclient.com', 'A', ['A 203.0.113.7']],
    ['CalcClient.COM', 'A', ['A 203.0.113.7']],
    ['calcclient.com', 'AAAA', []],
    ['calcclient.com', 'HTTPS', []],
    ['a.b.shop.example.com', 'A', ['A 203.0.113.7']],
    ['web.shop.svc.cluster.local', 'A', ['A 10.96.0.9']],
    ['web.shop.svc.cluster.local', 'AAAA', ['AAAA fd00::9']],
    ['db.example.net', 'A', ['A 192.0.2.10']],
  ]
  for (const [name, type, records] of cases) {
    const asked = type === 'HTTPS' ? 'UNKNOWN_65' : type
    const answer = await dig(portOf(gw), name, asked)
    expect([name, type, codeOf(answer), ...recordsOf(answer)]).toEqual([
      name,
      type,
      'NOERROR',
      ...records,
    ])
    expect(answer.flag_aa).toBe(true)
    expect(answer.questions?.[0]?.name).toBe(name)
    // RFC 2308: how long a missing record may be remembered.
    const soa = answer.authorities?.map((record) => record.type)
    expect(soa).toEqual(records.length === 0 ? ['SOA'] : [])
  }
  const asked = cases.map(([name]) => name.toLowerCase())
  expect(names.questions.filter((question) => asked.includes(question.split(' ')[1]!))).toEqual([])
})

test('hosts without addresses have one each in 240.240.0.0/16 and 2001:2::/48, the same after a restart', async () => {
  await using names = await startDnsServer({ 'plain.example.net': { a: ['198.51.100.1'] } })
  const ask = async (gw: TestGateway): Promise<readonly string[]> => {
    const found: string[] = []
    for (const name of ['mysql-1.example.net', 'mysql-2.example.net']) {
      for (const type of ['A', 'AAAA']) found.push(...recordsOf(await dig(portOf(gw), name, type)))
    }
    return found
  }
  const options = { dns: LISTEN, resolvers: [names.address] }
  let before: readonly string[]
  {
    await using gw = await startGateway(CONFIG, options)
    before = await ask(gw)
    expect(recordsOf(await dig(portOf(gw), 'plain.example.net'))).toEqual(['A 198.51.100.1'])
  }
  expect(new Set(before).size).toBe(4)
  expect(before[0]).toMatch(/^A 240\.240\.\d+\.\d+$/)
  expect(before[1]).toMatch(/^AAAA 2001:2::[\da-f]+$/)
  await using again = await startGateway(CONFIG, options)
  expect(await ask(again)).toEqual(before)
})

test('an address that a load balancer assigns later is answered without a restart', async () => {
  await using names = await startDnsServer({})
  const files = { 'config.yaml': CONFIG, 'service.yaml': balancer('{}') }
  await using gw = await startGateway(files, { dns: LISTEN, resolvers: [names.address] })
  expect(codeOf(await dig(portOf(gw), 'calcclient.com'))).toBe('NXDOMAIN')
  const pending = (await (await fetch(`${gw.admin}/dns`)).json()) as { complete: boolean }
  expect(pending.complete).toBe(false)
  gw.write('service.yaml', ASSIGNED)
  await gw.reload()
  expect(recordsOf(await dig(portOf(gw), 'calcclient.com'))).toEqual(['A 203.0.113.7'])
  const ready = (await (await fetch(`${gw.admin}/dns`)).json()) as { complete: boolean }
  expect(ready.complete).toBe(true)
})

test('a host name of a load balancer is a CNAME with the addresses of its target', async () => {
  await using names = await startDnsServer({ 'lb.example.org': { a: ['198.51.100.9'] } })
  const files = {
    'config.yaml': CONFIG,
    'service.yaml': balancer('{ ingress: [{ hostname: LB.example.org }] }'),
  }
  await using gw = await startGateway(files, { dns: LISTEN, resolvers: [names.address] })
  const answer = await dig(portOf(gw), 'calcclient.com')
  expect(recordsOf(answer)).toEqual(['CNAME lb.example.org', 'A 198.51.100.9'])
})

test('other names come from the name servers: once while they are kept, with their codes', async () => {
  await using names = await startDnsServer({
    'kept.test': { a: ['192.0.2.1', '192.0.2.2'], ttl: 600 },
    'broken.test': { code: 'SERVFAIL' },
    'empty.test': {},
  })
  await using gw = await startGateway(CONFIG, { dns: LISTEN, resolvers: [names.address] })
  const port = portOf(gw)
  const first = await dig(port, 'kept.test')
  expect(recordsOf(first)).toEqual(['A 192.0.2.1', 'A 192.0.2.2'])
  expect([first.flag_aa, first.flag_ra]).toEqual([false, true])
  expect(recordsOf(await dig(port, 'KEPT.test'))).toEqual(recordsOf(first))
  expect(names.questions.filter((question) => question.endsWith('.test'))).toEqual(['A kept.test'])
  expect(codeOf(await dig(port, 'missing.test'))).toBe('NXDOMAIN')
  expect(codeOf(await dig(port, 'broken.test'))).toBe('SERVFAIL')
  const empty = await dig(port, 'empty.test')
  expect([codeOf(empty), recordsOf(empty)]).toEqual(['NOERROR', []])
  expect(codeOf(await dig(port, 'headless.shop.svc.cluster.local'))).toBe('NXDOMAIN')
  const stats = await (await fetch(`${gw.admin}/stats?filter=tidegate_dns`)).text()
  expect(stats).toMatch(
    /tidegate_dns_answers_total\{transport="udp",source="cache",rcode="NOERROR"\} 1/,
  )
})

test('a name server that is silent is passed over for the next one', async () => {
  await using silent = await startDnsServer({ 'web.test': { silent: true } })
  await using names = await startDnsServer({ 'web.test': { a: ['192.0.2.3'] } })
  const resolvers = [silent.address, names.address]
  await using gw = await startGateway(CONFIG, { dns: LISTEN, resolvers })
  expect(recordsOf(await dig(portOf(gw), 'web.test'))).toEqual(['A 192.0.2.3'])
})

const MANY = Array.from({ length: 60 }, (_, at) => `192.0.2.${at + 1}`)

test('an answer too long for UDP is cut off there and whole by TCP; EDNS makes more room', async () => {
  await using names = await startDnsServer({ 'many.test': { a: MANY, ttl: 600 } })
  const seven = MANY.slice(0, 30)
  names.records.set('some.test', { a: seven, ttl: 600 })
  await using gw = await startGateway(CONFIG, { dns: LISTEN, resolvers: [names.address] })
  const port = portOf(gw)
  const cut = await dnsByUdp(port, dnsQuery('many.test'))
  expect(cut.length).toBeLessThanOrEqual(512)
  expect([decode(cut).flag_tc, recordsOf(decode(cut))]).toEqual([true, []])
  const [whole, other] = await dnsByTcp(port, [dnsQuery('many.test'), dnsQuery('calcclient.test')])
  expect(recordsOf(decode(whole!))).toHaveLength(MANY.length)
  expect(codeOf(decode(other!))).toBe('NXDOMAIN')
  expect(decode(await dnsByUdp(port, dnsQuery('some.test'))).flag_tc).toBe(true)
  const roomy = decode(await dnsByUdp(port, dnsQuery('some.test', 'A', withOpt({}))))
  expect([roomy.flag_tc, recordsOf(roomy).length]).toEqual([false, seven.length])
  expect(roomy.additionals?.map(({ type }) => type)).toEqual(['OPT'])
})

function withOpt(fields: { ednsVersion?: number }): Packet {
  const opt = {
    type: 'OPT' as const,
    name: '.',
    udpPayloadSize: 4096,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  }
  return { additionals: [{ ...opt, ...fields }] }
}

test('what is no question of a stub resolver is refused without asking anybody', async () => {
  await using names = await startDnsServer({})
  await using gw = await startGateway(CONFIG, { dns: LISTEN, resolvers: [names.address] })
  const port = portOf(gw)
  const flagged = (query: Buffer, flags: number): Buffer => {
    query.writeUInt16BE(flags, 2)
    return query
  }
  const cases: readonly (readonly [string, Buffer, string])[] = [
    ['zone transfer', dnsQuery('zone.test', 'AXFR'), 'REFUSED'],
    ['no recursion desired', flagged(dnsQuery('zone.test'), 0), 'REFUSED'],
    ['update', flagged(dnsQuery('zone.test'), 5 << 11), 'NOTIMP'],
    ['two questions', twoQuestions(), 'FORMERR'],
    ['no question', dnsQuery('a.test', 'A', { questions: [] }), 'FORMERR'],
    ['cut off', dnsQuery('zone.test').subarray(0, 20), 'FORMERR'],
    [
      'another class',
      dnsQuery('version.bind', 'TXT', {
        questions: [{ name: 'version.bind', type: 'TXT', class: 'CH' }],
      }),
      'REFUSED',
    ],
  ]
  for (const [name, query, code] of cases) {
    const reply = await dnsByUdp(port, query)
    expect([name, codeOf(decode(reply))]).toEqual([name, code])
    expect(reply.length).toBeLessThanOrEqual(query.length)
  }
  const any = await dig(port, 'calcclient.com', 'ANY')
  expect(any.answers?.map(({ type }) => type)).toEqual(['HINFO'])
  const version = decode(await dnsByUdp(port, dnsQuery('a.test', 'A', withOpt({ ednsVersion: 1 }))))
  expect(version.additionals?.[0]).toMatchObject({ type: 'OPT', extendedRcode: 1 })
  expect(names.questions.filter((question) => question.endsWith('.test'))).toEqual([])
})

function twoQuestions(): Buffer {
  const questions = [
    { name: 'a.test', type: 'A' as const },
    { name: 'b.test', type: 'A' as const },
  ]
  return dnsQuery('a.test', 'A', { questions })
}

test('answers and nonsense sent to the port get no reply, and the next question does', async () => {
  await using names = await startDnsServer({})
  const files = { 'config.yaml': CONFIG, 'service.yaml': ASSIGNED }
  await using gw = await startGateway(files, { dns: LISTEN, resolvers: [names.address] })
  const port = portOf(gw)
  const answer = await dnsByUdp(port, dnsQuery('calcclient.com'))
  expect(await dnsByTcp(port, [answer])).toEqual([])
  expect(await dnsByTcp(port, [Buffer.from('GET')])).toEqual([])
  expect(recordsOf(await dig(port, 'calcclient.com'))).toEqual(['A 203.0.113.7'])
})

test('on all addresses IPv4 clients are answered, by UDP and by TCP', async () => {
  await using names = await startDnsServer({})
  const files = { 'config.yaml': CONFIG, 'service.yaml': ASSIGNED }
  const dns = { ...LISTEN, listen: { host: null, port: 0 } }
  await using gw = await startGateway(files, { dns, resolvers: [names.address] })
  const port = Number(/\d+$/.exec(gw.gateway.dnsAddress ?? '')?.[0])
  expect(recordsOf(await dig(port, 'calcclient.com'))).toEqual(['A 203.0.113.7'])
  const [answer] = await dnsByTcp(port, [dnsQuery('calcclient.com')])
  expect(recordsOf(decode(answer!))).toEqual(['A 203.0.113.7'])
})
