import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { httpsGateway, tlsSecret } from '../support/secrets.ts'
import { handshake } from '../support/tls-client.ts'
import { waitFor } from '../support/wait.ts'

const authority = Authority.create('Operations')
const ca = authority.certificate
const long = authority.issue(['long.test'])
const short = authority.issue(['short.test'], 10)
const over = authority.issue(['over.test'], -1 / 48)

interface Certs {
  readonly failedHandshakes: readonly Readonly<Record<string, unknown>>[]
}

let gw: TestGateway

beforeAll(async () => {
  gw = await startGateway(
    tlsSecret('long', long) +
      tlsSecret('short', short) +
      tlsSecret('over', over) +
      httpsGateway('gw', [
        { hosts: ['long.test'], tls: '{ mode: SIMPLE, credentialName: long }' },
        { hosts: ['short.test'], tls: '{ mode: SIMPLE, credentialName: short }' },
        { hosts: ['over.test'], tls: '{ mode: SIMPLE, credentialName: over }' },
        { hosts: ['gone.test'], tls: '{ mode: SIMPLE, credentialName: gone }' },
      ]),
    { ports: [443] },
  )
})
afterAll(() => gw[Symbol.asyncDispose]())

async function failures(): Promise<Certs['failedHandshakes']> {
  const answer = await fetch(`${gw.admin}/certs`)
  return ((await answer.json()) as Certs).failedHandshakes
}

describe('certificates that end', () => {
  test('within 30 days are a warning, behind their end an error', () => {
    const said = gw.gateway.problems.filter(({ code }) => code.startsWith('certificate-'))
    expect(said.map(({ code }) => code).toSorted()).toEqual([
      'certificate-expired',
      'certificate-expires-soon',
    ])
    expect(said.find(({ severity }) => severity === 'warning')?.message).toContain(
      'istio-system/short',
    )
  })

  test('are metrics', async () => {
    const text = await (await fetch(`${gw.admin}/stats/prometheus`)).text()
    const line = text
      .split('\n')
      .find((one) => one.startsWith('tidegate_certificate_expiration') && one.includes('/long'))
    const days = (Number(line?.split(' ').at(-1)) * 1000 - Date.now()) / 86_400_000
    expect(days).toBeGreaterThan(390)
    expect(days).toBeLessThan(398)
    expect(text).toContain('envoy_server_days_until_first_cert_expiring 0')
  })
})

describe('GET /certs', () => {
  test('tells why connections were not served, newest first', async () => {
    const port = gw.port(443)
    await handshake(port, 'nobody.test', { ca, ALPNProtocols: ['h2', 'http/1.1'] })
    await handshake(port, 'gone.test', { ca })
    await handshake(port, 'long.test', {
      ca,
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ciphers: 'DEFAULT:@SECLEVEL=0',
    })
    await waitFor('three records', async () => (await failures()).length >= 3)
    expect((await failures()).slice(0, 3)).toMatchObject([
      {
        reason: 'handshake-failed',
        serverName: 'long.test',
        chain: 'https.443.https-0.gw.default',
        detail: expect.stringMatching(/unsupported protocol|version/i) as string,
        remoteAddress: '127.0.0.1',
      },
      { reason: 'no-certificate', serverName: 'gone.test', chain: 'https.443.https-3.gw.default' },
      {
        reason: 'no-server-name-match',
        serverName: 'nobody.test',
        alpn: ['h2', 'http/1.1'],
        chain: null,
      },
    ])
  })

  test('keeps the last 100', async () => {
    for (let count = 0; count < 105; count++)
      await handshake(gw.port(443), `x${count}.test`, { ca })
    await waitFor('the last one', async () => (await failures())[0]?.['serverName'] === 'x104.test')
    const kept = await failures()
    expect(kept).toHaveLength(100)
    expect(kept.at(-1)?.['serverName']).toBe('x5.test')
  })
})

test('a broken file is a finding as long as it is broken', async () => {
  await using other = await startGateway('', { ports: [443] })
  const write = (name: string, text: string): string => {
    writeFileSync(join(other.folder, name), text)
    return join(other.folder, name)
  }
  const files = `serverCertificate: "${write('tls.crt', long.certificate)}", privateKey: "${write('tls.key', short.key)}"`
  other.write(
    'config.yaml',
    httpsGateway('gw', [{ hosts: ['long.test'], tls: `{ mode: SIMPLE, ${files} }` }]),
  )
  await other.reload()
  const codes = (): readonly string[] => other.gateway.problems.map(({ code }) => code)
  expect(codes()).toContain('certificate-unusable')
  expect(await handshake(other.port(443), 'long.test', { ca })).toMatchObject({ ok: false })
  write('tls.key', long.key)
  await waitFor('the repaired pair', async () => {
    const seen = await handshake(other.port(443), 'long.test', { ca })
    return seen.ok
  })
  expect(codes()).not.toContain('certificate-unusable')
})
