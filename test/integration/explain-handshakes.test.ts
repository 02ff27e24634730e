import { afterAll, beforeAll, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import type { Explanation } from '../../src/explain/explanation.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { httpsGateway, secret } from '../support/secrets.ts'
import { handshake, readTls } from '../support/tls-client.ts'
import { waitFor } from '../support/wait.ts'
import { virtualService } from '../support/yaml.ts'

const authority = Authority.create('Failures')
const ca = authority.certificate
const pair = authority.issue(['vault.test'])

let gw: TestGateway
beforeAll(async () => {
  gw = await startGateway(
    secret('vault', { 'tls.crt': pair.certificate, 'tls.key': pair.key, 'ca.crt': ca }) +
      httpsGateway('gw', [
        { hosts: ['vault.test'], tls: '{ mode: MUTUAL, credentialName: vault }' },
      ]) +
      virtualService('vault', ['vault.test'], ['gw'], '  - directResponse: { status: 200 }'),
    { ports: [443] },
  )
})
afterAll(() => gw[Symbol.asyncDispose]())

async function asked(sni: string, format = ''): Promise<Response> {
  return fetch(`${gw.admin}/explain?method=GET&url=https://${sni}/&sni=${sni}${format}`)
}

test('explain shows the failed handshakes with this server name, and no others', async () => {
  await readTls(gw.port(443), 'vault.test', { ca, ALPNProtocols: ['h2'] }, 'GET')
  await handshake(gw.port(443), 'nobody.test', { ca })
  await waitFor('both to be remembered', () => gw.gateway.failedHandshakes.length === 2)
  const vault = (await (await asked('vault.test')).json()) as Explanation
  expect(vault.tls?.failures).toMatchObject([
    {
      serverName: 'vault.test',
      reason: 'handshake-failed',
      alpn: ['h2'],
      remoteAddress: '127.0.0.1',
      chain: expect.stringContaining('https.443.https-0.gw'),
    },
  ])
  const nobody = (await (await asked('nobody.test')).json()) as Explanation
  expect(nobody.tls?.failures).toMatchObject([{ reason: 'no-server-name-match', chain: null }])
  const text = await (await asked('vault.test', '&format=text')).text()
  expect(text).toMatch(
    /failed +\S+Z {2}127\.0\.0\.1 {2}handshake-failed \(.+\), server https\.443\S+, ALPN h2\n/,
  )
})

test('no more than the last five of a name are shown', async () => {
  for (let count = 0; count < 7; count++) await handshake(gw.port(443), 'often.test', { ca })
  await waitFor('all to be remembered', () => gw.gateway.failedHandshakes.length >= 9)
  const often = (await (await asked('often.test')).json()) as Explanation
  expect(often.tls?.failures).toHaveLength(5)
})
