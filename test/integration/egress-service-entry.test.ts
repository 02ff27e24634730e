import { expect, test } from 'vitest'
import { startDnsServer } from '../support/dns-server.ts'
import { callProxy, openTunnel, refusedTunnel } from '../support/egress.ts'
import { freePort } from '../support/free-port.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { waitFor } from '../support/wait.ts'
import { service, virtualService } from '../support/yaml.ts'

const EGRESS = { ports: [], egressProxy: true } as const

function mesh(settings: string): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    ${settings}
---
`
}

const CLOSED = mesh('outboundTrafficPolicy: { mode: REGISTRY_ONLY }')

function entry(name: string, spec: string): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name} }
spec: { ${spec} }
---
`
}

const get = async (gw: TestGateway, url: string): Promise<string> => {
  const { status, body } = await callProxy(gw.egressPort, url)
  return status === 200 ? body : String(status)
}

test('STATIC leads a public name to its endpoints, on its ports only', async () => {
  await using one = await startUpstream('one')
  await using two = await startUpstream('two')
  const yaml =
    CLOSED +
    entry(
      'fixed',
      `hosts: [www.fixed.test], resolution: STATIC,
  ports: [{ number: 8080, name: http, protocol: HTTP }, { number: 9090, name: http-admin, protocol: HTTP, targetPort: ${two.port} }],
  endpoints: [{ address: 127.0.0.1, ports: { http: ${one.port} } }]`,
    )
  await using gw = await startGateway(yaml, EGRESS)
  expect(await get(gw, 'http://www.fixed.test:8080/')).toBe('one')
  expect(await get(gw, 'http://WWW.Fixed.Test:9090/')).toBe('two')
  expect(await get(gw, 'http://www.fixed.test/')).toBe('502')
  expect(await get(gw, 'http://fixed.test:8080/')).toBe('502')
  expect(one.seen[0]!.headers.host).toBe('www.fixed.test:8080')
})

test('DNS asks the given name server for the host, or for the hosts of its endpoints', async () => {
  await using web = await startUpstream('web')
  await using dns = await startDnsServer({
    'www.dns.test': { a: ['127.0.0.1'] },
    'backend.test': { a: ['127.0.0.1'] },
  })
  const port = `ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${web.port} }]`
  const yaml =
    CLOSED +
    entry('own', `hosts: [www.dns.test], resolution: DNS, ${port}`) +
    entry(
      'other',
      `hosts: [alias.test], resolution: DNS, ${port}, endpoints: [{ address: backend.test }]`,
    ) +
    entry('gone', `hosts: [gone.test], resolution: DNS, ${port}`)
  await using gw = await startGateway(yaml, { ...EGRESS, resolvers: [dns.address] })
  expect(await get(gw, 'http://www.dns.test/')).toBe('web')
  expect(await get(gw, 'http://alias.test/')).toBe('web')
  expect(await get(gw, 'http://gone.test/')).toBe('503')
  expect(dns.questions).toContain('A www.dns.test')
  expect(dns.questions).toContain('A backend.test')
  expect(dns.questions).not.toContain('A alias.test')
})

test('a DNS name that moves is followed when its TTL is over', async () => {
  await using before = await startUpstream('before')
  await using after = await startUpstream('after')
  await using dns = await startDnsServer({ 'moving.test': { a: ['127.0.0.1'] } })
  const spec = (port: number): string =>
    `hosts: [moving.test], resolution: DNS, ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${port} }]`
  await using gw = await startGateway(entry('moving', spec(before.port)), {
    ...EGRESS,
    resolvers: [dns.address],
  })
  expect(await get(gw, 'http://moving.test/')).toBe('before')
  // Nothing listens there: the answer changes as soon as the new address is known.
  dns.records.set('moving.test', { a: ['127.0.0.99'] })
  await waitFor('the new address', async () => (await get(gw, 'http://moving.test/')) === '503')
  dns.records.set('moving.test', { a: ['127.0.0.1'] })
  gw.write('config.yaml', entry('moving', spec(after.port)))
  await gw.reload()
  await waitFor('the way back', async () => (await get(gw, 'http://moving.test/')) === 'after')
})

test('a wildcard with resolution NONE goes where each client asks, to addresses the guard allows', async () => {
  await using web = await startUpstream('web')
  await using dns = await startDnsServer({
    'a.wild.test': { a: ['127.0.0.1'] },
    'deep.b.wild.test': { a: ['127.0.0.1'] },
    'wild.test': { a: ['127.0.0.1'] },
  })
  const yaml =
    CLOSED +
    entry(
      'wild',
      `hosts: ["*.wild.test"], resolution: NONE, ports: [{ number: ${web.port}, name: http, protocol: HTTP }]`,
    )
  await using gw = await startGateway(yaml, { ...EGRESS, resolvers: [dns.address] })
  await using allowing = await startGateway(yaml, {
    ...EGRESS,
    resolvers: [dns.address],
    egressAllow: ['127.0.0.1/32'],
  })
  expect(await get(gw, `http://a.wild.test:${web.port}/`)).toBe('403')
  expect(await get(allowing, `http://a.wild.test:${web.port}/`)).toBe('web')
  expect(await get(allowing, `http://deep.b.wild.test:${web.port}/`)).toBe('web')
  expect(await get(gw, `http://wild.test:${web.port}/`)).toBe('502')
  const refused = await openTunnel(gw.egressPort, `a.wild.test:${web.port}`)
  expect(refused.status).toBe(403)
  refused.socket.destroy()
  const tunnel = await openTunnel(allowing.egressPort, `a.wild.test:${web.port}`)
  expect(tunnel.status).toBe(200)
  tunnel.socket.destroy()
})

test('resolution NONE cannot be used to reach another address under a declared name', async () => {
  await using web = await startUpstream('web')
  await using dns = await startDnsServer({})
  const yaml = entry(
    'named',
    `hosts: [named.test], resolution: NONE, ports: [{ number: ${web.port}, name: http, protocol: HTTP }]`,
  )
  await using gw = await startGateway(yaml, { ...EGRESS, resolvers: [dns.address] })
  const answer = await callProxy(gw.egressPort, `http://127.0.0.1:${web.port}/`, {
    host: `named.test:${web.port}`,
  })
  expect(answer.status).toBe(403)
  expect(web.seen).toHaveLength(0)
})

test('a VirtualService sends part of a public name elsewhere', async () => {
  await using outside = await startUpstream('outside')
  await using inside = await startUpstream('inside')
  const yaml =
    CLOSED +
    entry(
      'public',
      `hosts: [www.public.test], resolution: STATIC, ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${outside.port} }], endpoints: [{ address: 127.0.0.1 }]`,
    ) +
    service('cache', inside.port) +
    virtualService(
      'public',
      ['www.public.test'],
      ['mesh'],
      `  - match: [{ uri: { prefix: /static/ } }]
    route: [{ destination: { host: cache, port: { number: 8080 } } }]
  - route: [{ destination: { host: www.public.test } }]`,
    )
  await using gw = await startGateway(yaml, EGRESS)
  expect(await get(gw, 'http://www.public.test/static/logo.png')).toBe('inside')
  expect(await get(gw, 'http://www.public.test/page')).toBe('outside')
})

test('a TLS port is for tunnels; a plain request to it counts as unknown', async () => {
  await using web = await startUpstream('web')
  const yaml =
    CLOSED +
    entry(
      'secure',
      `hosts: [secure.test], resolution: STATIC, ports: [{ number: 443, name: tls, protocol: TLS, targetPort: ${web.port} }], endpoints: [{ address: 127.0.0.1 }]`,
    )
  await using gw = await startGateway(yaml, EGRESS)
  const tunnel = await openTunnel(gw.egressPort, 'secure.test:443')
  expect(tunnel.status).toBe(200)
  tunnel.socket.destroy()
  expect(await get(gw, 'http://secure.test:443/')).toBe('502')
  expect((await refusedTunnel(gw.egressPort, 'secure.test:444')).status).toBe(502)
})

test('MeshConfig proxyHttpPort opens the proxy, and --egress goes before it', async () => {
  await using web = await startUpstream('web')
  const port = await freePort()
  const yaml = mesh(`proxyHttpPort: ${port}`) + service('web', web.port)
  {
    await using gw = await startGateway(yaml, { ports: [] })
    expect(gw.egressPort).toBe(port)
    expect((await callProxy(port, 'http://web:8080/')).body).toBe('web')
  }
  await using gw = await startGateway(yaml, EGRESS)
  expect(gw.gateway.boundListeners.map((bound) => bound.port)).toEqual([gw.egressPort])
  expect(gw.egressPort).not.toBe(port)
})

test('the policy follows the configuration while connections stay', async () => {
  await using web = await startUpstream('web')
  await using dns = await startDnsServer({ 'free.test': { a: ['127.0.0.1'] } })
  await using gw = await startGateway(mesh('outboundTrafficPolicy: { mode: ALLOW_ANY }'), {
    ...EGRESS,
    resolvers: [dns.address],
    egressAllow: ['127.0.0.0/8'],
  })
  const url = `http://free.test:${web.port}/`
  expect(await get(gw, url)).toBe('web')
  const tunnel = await openTunnel(gw.egressPort, `free.test:${web.port}`)
  gw.write('config.yaml', CLOSED)
  await gw.reload()
  expect(await get(gw, url)).toBe('502')
  expect((await refusedTunnel(gw.egressPort, `free.test:${web.port}`)).status).toBe(502)
  // What was open stays open.
  tunnel.socket.setEncoding('latin1').resume()
  const answered = new Promise<string>((resolve) => tunnel.socket.once('data', resolve))
  tunnel.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  expect(await answered).toContain('HTTP/1.1 200')
  tunnel.socket.destroy()
  gw.write('config.yaml', mesh('accessLogFile: /dev/stdout'))
  await gw.reload()
  expect(await get(gw, url)).toBe('web')
})
