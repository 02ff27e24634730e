import { once } from 'node:events'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AcmeSettings } from '../../src/acme/acme-settings.ts'
import { AcmeServer } from '../support/acme/acme-server.ts'
import { call } from '../support/call.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { startGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { type Handshake, handshake, openTls } from '../support/tls-client.ts'
import { waitFor } from '../support/wait.ts'

let acme: AcmeServer
let trust: TemporaryFolder

beforeAll(async () => {
  acme = await AcmeServer.start()
  trust = new TemporaryFolder({ 'ca.pem': acme.trust })
})

afterAll(async () => {
  trust[Symbol.dispose]()
  await acme[Symbol.asyncDispose]()
})

function settings(store: AcmeSettings['store'], more: Partial<AcmeSettings> = {}): AcmeSettings {
  return {
    directory: acme.directory,
    email: 'ops@example.com',
    store,
    caFile: trust.join('ca.pem'),
    termsAgreed: true,
    externalAccount: null,
    timing: {
      pollMs: 20,
      spreadMs: 60,
      askMs: 20,
      orderTimeoutMs: 20_000,
      backoffMs: 200,
      backoffCapMs: 400,
    },
    ...more,
  }
}

interface GatewayShape {
  readonly hosts: readonly string[]
  readonly annotations?: Readonly<Record<string, string>>
  /** A plain server on port 80. Default: true. */
  readonly http?: boolean
}

function yaml({
  hosts,
  annotations = { 'tidegate.dev/acme': 'true' },
  http = true,
}: GatewayShape): string {
  const list = JSON.stringify(hosts)
  const plain = http
    ? `    - port: {number: 80, name: http, protocol: HTTP}
      hosts: ${list}
      tls: {httpsRedirect: true}\n`
    : ''
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: istio-system
  annotations: ${JSON.stringify(annotations)}
spec:
  selector: {}
  servers:
${plain}    - port: {number: 443, name: https, protocol: HTTPS}
      hosts: ${list}
      tls: {mode: SIMPLE}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: istio-system}
spec:
  hosts: ["*"]
  gateways: [edge]
  http:
    - directResponse: {status: 200, body: {string: shop}}
`
}

/** A gateway whose ports the ACME server comes to. */
async function start(
  shape: GatewayShape,
  acmeSettings: AcmeSettings,
  options: TestGatewayOptions = {},
): Promise<TestGateway> {
  const ports = shape.http === false ? [443] : [80, 443]
  const gw = await startGateway(yaml(shape), { acme: acmeSettings, ports, ...options })
  acme.ports = {
    tls: gw.port(443),
    ...(shape.http === false ? {} : { http: gw.port(80) }),
  }
  return gw
}

function shake(gw: TestGateway, host: string): Promise<Handshake> {
  return handshake(gw.port(443), host, { ca: acme.trust })
}

async function served(gw: TestGateway, host: string): Promise<Handshake & { ok: true }> {
  return waitFor(`a certificate for ${host}`, async () => {
    const done = await shake(gw, host)
    return done.ok ? done : null
  })
}

function ordersOf(host: string): number {
  return acme.orders.filter((order) => order.host === host).length
}

interface ListedCertificate {
  readonly name: string
  readonly problem: string
  readonly notAfter: string
  readonly order?: { readonly state: string; readonly lastError: string; readonly renewAt: string }
}

async function listed(gw: TestGateway): Promise<readonly ListedCertificate[]> {
  const answer = await fetch(`${gw.admin}/certs`)
  return ((await answer.json()) as { certificates: readonly ListedCertificate[] }).certificates
}

function problemsOf(gw: TestGateway, code: string): readonly string[] {
  return gw.gateway.problems.filter((one) => one.code === code).map(({ message }) => message)
}

describe('orders', () => {
  test('HTTP-01: answered on port 80 before the redirect; then the host is served', async () => {
    using store = new TemporaryFolder()
    await using gw = await start({ hosts: ['one.example'] }, settings({ folder: store.path }))
    const { alpn } = await served(gw, 'one.example')
    expect(alpn).toBe(false)
    expect(acme.validations).toContain('http-01 one.example ok')
    expect(acme.accounts.at(-1)?.contact).toEqual(['mailto:ops@example.com'])
    const certificate = await waitFor('the end of the order', async () =>
      (await listed(gw)).find(({ order }) => order?.state === 'valid'),
    )
    expect(certificate).toMatchObject({
      name: 'acme://one.example',
      problem: '',
      order: { lastError: '' },
    })
    // 30 days before its end, or a little earlier.
    const leftMs = Date.parse(certificate.notAfter) - Date.parse(certificate.order!.renewAt)
    expect(leftMs / 86_400_000).toBeGreaterThanOrEqual(30)
    expect(leftMs / 86_400_000).toBeLessThanOrEqual(33.1)
    expect(gw.gateway.problems.filter(({ code }) => code.startsWith('acme'))).toEqual([])
    const metrics = await (
      await fetch(`http://${gw.gateway.statusAddress!}/stats/prometheus`)
    ).text()
    expect(metrics).toContain('tidegate_acme_orders_total{result="issued"} 1')
    expect(metrics).toContain(
      'tidegate_certificate_expiration_timestamp_seconds{name="acme://one.example"}',
    )
  })

  test('TLS-ALPN-01 where there is no port 80', async () => {
    using store = new TemporaryFolder()
    const shape = { hosts: ['alpn.example'], http: false }
    await using gw = await start(shape, settings({ folder: store.path }))
    await served(gw, 'alpn.example')
    expect(acme.validations).toContain('tls-alpn-01 alpn.example ok')
  })

  test('TLS-ALPN-01 by annotation although there is a port 80, and for a server with client certificates', async () => {
    using store = new TemporaryFolder()
    const annotations = {
      'tidegate.dev/acme': acme.directory,
      'tidegate.dev/acme-challenge': 'tls-alpn-01',
      'tidegate.dev/acme-email': 'edge@example.com',
    }
    const text = yaml({ hosts: ['mutual.example'], annotations }).replace(
      '{mode: SIMPLE}',
      `{mode: MUTUAL, caCertificates: ${trust.join('ca.pem')}}`,
    )
    await using gw = await startGateway(text, {
      acme: settings({ folder: store.path }),
      ports: [80, 443],
    })
    acme.ports = { http: gw.port(80), tls: gw.port(443) }
    const client = acme.authority.issue(['client'])
    await waitFor('a certificate', async () => {
      const { certificate: cert, key } = client
      const done = await handshake(gw.port(443), 'mutual.example', { ca: acme.trust, cert, key })
      return done.ok
    })
    expect(acme.validations).toContain('tls-alpn-01 mutual.example ok')
    expect(acme.accounts.at(-1)?.contact).toEqual(['mailto:edge@example.com'])
  })

  test('every host has a certificate of its own: one that cannot be had does not hold up the rest', async () => {
    using store = new TemporaryFolder()
    const hosts = ['good.example', 'never.example', '*.wild.example']
    acme.refuse.add('never.example')
    await using gw = await start({ hosts }, settings({ folder: store.path }))
    await served(gw, 'good.example')
    await waitFor('the failure', () => problemsOf(gw, 'acme-order-failed').length > 0)
    expect(await shake(gw, 'never.example')).toMatchObject({ ok: false })
    expect(await shake(gw, 'a.wild.example')).toMatchObject({ ok: false })
    expect(problemsOf(gw, 'acme-order-failed')[0]).toMatch(
      /never\.example could be ordered \(\d+ in a row\): the CA says no; TLS connections for it fail; the next attempt is at 20/,
    )
    expect(problemsOf(gw, 'acme-wildcard-host')[0]).toContain('*.wild.example')
    expect(ordersOf('a.wild.example')).toBe(0)
  })

  test('nonces that are refused, and accounts bound to an external one', async () => {
    await using strict = await AcmeServer.start({
      externalAccount: { keyId: 'kid-1', hmac: Buffer.from('secret').toString('base64url') },
    })
    using store = new TemporaryFolder({
      'ca.pem': strict.trust,
      hmac: `${Buffer.from('secret').toString('base64url')}\n`,
    })
    strict.badNonces = 2
    const own = settings(
      { folder: store.join('acme') },
      {
        directory: strict.directory,
        caFile: store.join('ca.pem'),
        externalAccount: { keyId: 'kid-1', keyFile: store.join('hmac') },
      },
    )
    await using gw = await start({ hosts: ['eab.example'] }, own)
    strict.ports = { http: gw.port(80) }
    await waitFor('a certificate', async () => {
      const done = await handshake(gw.port(443), 'eab.example', { ca: strict.trust })
      return done.ok
    })
    expect(strict.accounts).toHaveLength(1)
  })
})

describe('challenges', () => {
  test('only pending ones are answered, and for their host only', async () => {
    using store = new TemporaryFolder()
    const slow = { ...settings(null).timing, spreadMs: 60_000 }
    const own = settings({ folder: store.path }, { timing: slow })
    const shape = { hosts: ['held.example'], annotations: { 'tidegate.dev/acme': 'true' } }
    const text = yaml(shape).replace('tls: {httpsRedirect: true}', '')
    await using gw = await startGateway(text, { acme: own, ports: [80, 443] })
    const folder = store.join('challenges')
    const token = await waitFor('the challenge', () =>
      existing(folder).find((name) => !name.includes('.tmp')),
    )
    const ask = async (host: string, path: string, method = 'GET'): Promise<string> => {
      const { status, body } = await call({ port: gw.port(80), path, host, method })
      return `${status} ${body}`
    }
    const path = `/.well-known/acme-challenge/${token}`
    await waitFor('the answer', async () => (await ask('held.example', path)).includes(token))
    expect(await ask('held.example', path)).toMatch(new RegExp(`^200 ${token}\\.[\\w-]{43}$`))
    expect(await ask('HELD.example:80', path)).toContain(token)
    expect(await ask('held.example', `${path}x`)).toBe('200 shop')
    expect(await ask('held.example', '/')).toBe('200 shop')
    expect(await ask('other.example', path)).not.toContain(token)
    expect(await ask('held.example', path, 'POST')).not.toContain(token)
  })

  test('acme-tls/1 is never agreed on when no challenge is pending', async () => {
    using store = new TemporaryFolder()
    await using gw = await start({ hosts: ['quiet.example'] }, settings({ folder: store.path }))
    await served(gw, 'quiet.example')
    const done = await handshake(gw.port(443), 'quiet.example', {
      ca: acme.trust,
      ALPNProtocols: ['acme-tls/1'],
    })
    expect(done).toMatchObject({ ok: false })
  })
})

describe('renewal', () => {
  test('a certificate that nears its end is replaced, and open connections stay', async () => {
    using store = new TemporaryFolder()
    acme.endingSoon.add('renew.example')
    await using gw = await start({ hosts: ['renew.example'] }, settings({ folder: store.path }))
    const first = await served(gw, 'renew.example')
    const open = await openTls(gw.port(443), 'renew.example', { ca: acme.trust })
    await waitFor('another certificate', async () => {
      const now = await shake(gw, 'renew.example')
      return now.ok && now.serial !== first.serial
    })
    open.write('GET / HTTP/1.1\r\nhost: renew.example\r\n\r\n')
    const [answer] = (await once(open, 'data')) as [Buffer]
    expect(answer.toString()).toContain('200 OK')
    open.destroy()
    expect(ordersOf('renew.example')).toBe(2)
  })

  test('one that fails leaves the old certificate serving and says so', async () => {
    using store = new TemporaryFolder()
    acme.endingSoon.add('stuck.example')
    acme.onIssued = (host) => acme.refuse.add(host)
    await using gw = await start({ hosts: ['stuck.example'] }, settings({ folder: store.path }))
    const { serial } = await served(gw, 'stuck.example')
    acme.onIssued = null
    const [message] = await waitFor('the failure', () => {
      const found = problemsOf(gw, 'acme-order-failed')
      return found.length > 0 ? found : null
    })
    expect(message).toContain('keeps serving')
    expect(await shake(gw, 'stuck.example')).toMatchObject({ ok: true, serial })
    acme.refuse.delete('stuck.example')
    await waitFor('the renewal', () => problemsOf(gw, 'acme-order-failed').length === 0)
    expect(ordersOf('stuck.example')).toBe(2)
  })
})

describe('failures', () => {
  test('a directory that is away is asked again until it is back', async () => {
    using store = new TemporaryFolder()
    acme.down = true
    try {
      await using gw = await start({ hosts: ['away.example'] }, settings({ folder: store.path }))
      await waitFor('two failures', () =>
        problemsOf(gw, 'acme-order-failed').some((message) => message.includes('(2 in a row)')),
      )
      expect(await shake(gw, 'away.example')).toMatchObject({ ok: false })
      const [certificate] = await listed(gw)
      expect(certificate?.problem).toContain('no certificate was issued yet')
      expect(certificate?.order?.lastError).not.toBe('')
      acme.down = false
      await served(gw, 'away.example')
      expect(problemsOf(gw, 'acme-order-failed')).toEqual([])
    } finally {
      acme.down = false
    }
  })

  test('a challenge that is not met: what the ACME server saw, and attempts that wait longer and longer', async () => {
    using store = new TemporaryFolder()
    const timing = { ...settings(null).timing, backoffMs: 400, backoffCapMs: 60_000 }
    const own = settings({ folder: store.path }, { timing })
    await using gw = await start({ hosts: ['elsewhere.example'] }, own)
    acme.ports = {}
    const began = performance.now()
    await waitFor('three failures', () =>
      problemsOf(gw, 'acme-order-failed').some((message) => message.includes('(3 in a row)')),
    )
    // At least half of 400 ms and half of 800 ms.
    expect(performance.now() - began).toBeGreaterThan(600)
    expect(problemsOf(gw, 'acme-order-failed')[0]).toContain(
      'the http-01 challenge is invalid: elsewhere.example: connection refused',
    )
    const [failed] = gw.gateway.problems.filter(({ code }) => code === 'acme-order-failed')
    expect(failed).toMatchObject({
      ref: { kind: 'Gateway', namespace: 'istio-system', name: 'edge' },
      hint: expect.stringContaining('on port 80 has to lead to this gateway') as string,
    })
    expect(ordersOf('elsewhere.example')).toBe(3)
  })

  test('failures outlive the process: a restart does not order at once', async () => {
    using store = new TemporaryFolder()
    const timing = { ...settings(null).timing, backoffMs: 600_000, backoffCapMs: 600_000 }
    const own = settings({ folder: store.path }, { timing })
    acme.refuse.add('loop.example')
    for (const attempt of [1, 2]) {
      await using gw = await start({ hosts: ['loop.example'] }, own)
      const [message] = await waitFor(`failure ${attempt}`, () => {
        const found = problemsOf(gw, 'acme-order-failed')
        return found.length > 0 ? found : null
      })
      expect(message).toContain('(1 in a row)')
    }
    expect(ordersOf('loop.example')).toBe(0)
    expect(acme.refused.filter((host) => host === 'loop.example')).toHaveLength(1)
  })

  test('terms that are not agreed to are named', async () => {
    using store = new TemporaryFolder()
    const own = settings({ folder: store.path }, { termsAgreed: false })
    await using gw = await start({ hosts: ['terms.example'] }, own)
    const [message] = await waitFor('the failure', () => {
      const found = problemsOf(gw, 'acme-order-failed')
      return found.length > 0 ? found : null
    })
    expect(message).toContain('the terms of service (https://ca.example/terms) are not agreed to')
    expect(message).toContain('--acme-accept-terms')
  })

  test('without a store nothing is ordered, and that is a problem', async () => {
    await using gw = await start({ hosts: ['nowhere.example'] }, settings(null))
    expect(problemsOf(gw, 'acme-not-configured')[0]).toContain('--acme-store')
    expect(await shake(gw, 'nowhere.example')).toMatchObject({ ok: false })
    expect(ordersOf('nowhere.example')).toBe(0)
  })
})

describe('a folder', () => {
  test('serves after a restart what was issued before, and orders nothing', async () => {
    using store = new TemporaryFolder()
    let serial = ''
    {
      await using gw = await start({ hosts: ['kept.example'] }, settings({ folder: store.path }))
      serial = (await served(gw, 'kept.example')).serial
    }
    acme.down = true
    try {
      await using gw = await start({ hosts: ['kept.example'] }, settings({ folder: store.path }))
      expect(await shake(gw, 'kept.example')).toMatchObject({ ok: true, serial })
      expect(ordersOf('kept.example')).toBe(1)
    } finally {
      acme.down = false
    }
  })

  test('keys are readable for their owner only, and shown nowhere', async () => {
    using store = new TemporaryFolder()
    const folder = store.join('acme')
    await using gw = await start({ hosts: ['secret.example'] }, settings({ folder }))
    await served(gw, 'secret.example')
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((name) => join(folder, name))
      .filter((path) => statSync(path).isFile())
    expect(files.length).toBeGreaterThanOrEqual(2)
    expect(files.map((path) => statSync(path).mode & 0o777)).toEqual(files.map(() => 0o600))
    for (const path of ['config_dump', 'certs', 'problems', 'server_info']) {
      const text = await (await fetch(`${gw.admin}/${path}`)).text()
      expect(text).not.toContain('PRIVATE KEY')
    }
    expect(await (await fetch(`${gw.admin}/config_dump`)).text()).toContain('acme://secret.example')
  })

  test('hosts that come with a reload are ordered; those that go are not renewed', async () => {
    using store = new TemporaryFolder()
    await using gw = await start({ hosts: ['early.example'] }, settings({ folder: store.path }))
    const { serial } = await served(gw, 'early.example')
    gw.write('config.yaml', yaml({ hosts: ['early.example', 'late.example'] }))
    await gw.reload()
    await served(gw, 'late.example')
    expect(await shake(gw, 'early.example')).toMatchObject({ serial })
    gw.write('config.yaml', yaml({ hosts: ['late.example'] }))
    await gw.reload()
    expect((await listed(gw)).map(({ name }) => name)).toEqual(['acme://late.example'])
    expect(ordersOf('early.example')).toBe(1)
  })
})

describe('replicas on one Redis', () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.stop())

  test('one orders, the other answers the challenge, and both serve the same certificate', async () => {
    const options = { redisUrl: redis.url }
    const shape = { hosts: ['shared.example'] }
    acme.ports = {}
    await using a = await start(shape, settings('redis'), options)
    await using b = await start(shape, settings('redis'), options)
    // Whichever orders: the ACME server comes to the one that does not.
    const orderer = await waitFor('an order', () =>
      [a, b].find((gw) => gw.gateway.certificates.acme.orders.some(({ ordering }) => ordering)),
    )
    acme.ports = { http: (orderer === a ? b : a).port(80) }
    const [first, second] = await Promise.all([
      served(a, 'shared.example'),
      served(b, 'shared.example'),
    ])
    expect(first.serial).toBe(second.serial)
    expect(acme.validations).toContain('http-01 shared.example ok')
    expect(ordersOf('shared.example')).toBe(1)
  })

  test('the same by TLS-ALPN-01', async () => {
    const options = { redisUrl: redis.url }
    const shape = { hosts: ['shared-tls.example'], http: false }
    await using a = await start(shape, settings('redis'), options)
    await using b = await start(shape, settings('redis'), options)
    const orderer = await waitFor('an order', () =>
      [a, b].find((gw) => gw.gateway.certificates.acme.orders.some(({ ordering }) => ordering)),
    )
    acme.ports = { tls: (orderer === a ? b : a).port(443) }
    await Promise.all([served(a, 'shared-tls.example'), served(b, 'shared-tls.example')])
    expect(acme.validations).toContain('tls-alpn-01 shared-tls.example ok')
    expect(ordersOf('shared-tls.example')).toBe(1)
  })

  test('Redis that goes away and comes back empty gets its certificates back', async () => {
    await using own = await startRedis()
    await using gw = await start({ hosts: ['robust.example'] }, settings('redis'), {
      redisUrl: own.url,
    })
    const { serial } = await served(gw, 'robust.example')
    await own.stop()
    await waitFor('the problem', () => problemsOf(gw, 'acme-store-away').length > 0)
    expect(await shake(gw, 'robust.example')).toMatchObject({ ok: true, serial })
    await own.restart()
    await waitFor(
      'the certificate to be written again',
      () =>
        problemsOf(gw, 'acme-store-away').length === 0 &&
        gw.gateway.certificates.acme.orders.every(({ ordering, turns }) => !ordering && turns > 1),
    )
    await using other = await start({ hosts: ['robust.example'] }, settings('redis'), {
      redisUrl: own.url,
    })
    expect(await served(other, 'robust.example')).toMatchObject({ serial })
    expect(ordersOf('robust.example')).toBe(1)
  })
})

function existing(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}
