import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decisions } from '../../src/cli/egress-ledger-reader.ts'
import { metricOf, problemsOf } from '../support/admin-view.ts'
import { runProgram } from '../support/command.ts'
import { callProxy } from '../support/egress.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { RawSocket } from '../support/raw-socket.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { service } from '../support/yaml.ts'

const sha = (password: string): string => `{SHA}${hash('sha1', password, 'base64')}`

/** Users as htpasswd -s writes them, one of bcrypt among them, and plain ones beside. */
const SECRET = `apiVersion: v1
kind: Secret
metadata: { name: users, namespace: istio-system }
stringData:
  users: |
    shop/till:open sesame
  auth: |
    # made with htpasswd -s
    data/etl:${sha('correct horse')}
    old/bcrypt:$2y$05$abcdefghijklmnopqrstuuS1WnFB9t1c0GqLqmVaP3YhJyFQxkz8y
---
`

const MESH = `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "outboundTrafficPolicy: { mode: REGISTRY_ONLY }" }
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default, namespace: data }
spec: { egress: [{ hosts: ["~/*"] }] }
---
`

let folder: TemporaryFolder
let web: Upstream
beforeAll(async () => {
  folder = new TemporaryFolder()
  web = await startUpstream('web')
})
afterAll(async () => {
  await web[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

function start(ledger: string, refuseUnknown = true): Promise<TestGateway> {
  return startGateway(MESH + SECRET + service('web', web.port), {
    ports: [],
    egressProxy: true,
    egressLedger: { path: ledger, maxBytes: 1e9 },
    egressControl: { reportOnly: false, refuseUnknown, users: 'istio-system/users' },
  })
}

function curl(proxy: string): ReturnType<typeof runProgram> {
  const args = ['-q', '-sS', '--fail', '--max-time', '15', '--proxy', proxy, 'http://web:8080/']
  return runProgram('curl', args)
}

async function clientsIn(ledger: string): Promise<string[]> {
  const found: string[] = []
  for await (const { kind, verdict, client, clientBy } of decisions([ledger], { unreadable: 0 })) {
    found.push(`${kind} ${verdict} ${client} ${clientBy}`)
  }
  return found
}

describe('users of SOCKS5 are those of Proxy-Authorization', () => {
  test('curl is known by the name and password of its proxy URL, in either way', async () => {
    const ledger = folder.join('known.jsonl')
    {
      await using gw = await start(ledger)
      for (const scheme of ['http', 'socks5h']) {
        const at = `127.0.0.1:${gw.egressPort}`
        const known = await curl(`${scheme}://shop%2Ftill:open%20sesame@${at}`)
        expect(known).toMatchObject({ code: 0, stdout: 'web' })
        // Its Sidecar shows it nothing.
        expect((await curl(`${scheme}://data%2Fetl:correct%20horse@${at}`)).code).not.toBe(0)
      }
      expect(await problemsOf(gw, 'egress-user-hash')).toMatchObject([
        { severity: 'warning', kind: 'Secret', message: expect.stringContaining('old/bcrypt') },
      ])
    }
    expect(await clientsIn(ledger)).toEqual([
      'http allowed shop/till credentials',
      'http blocked data/etl credentials',
      'socks allowed shop/till credentials',
      'socks blocked data/etl credentials',
    ])
    expect(readFileSync(ledger, 'utf8')).not.toMatch(/sesame|horse/)
  })

  test('wrong ones end the connection as RFC 1929 says, and are counted', async () => {
    const ledger = folder.join('wrong.jsonl')
    {
      await using gw = await start(ledger)
      const at = `127.0.0.1:${gw.egressPort}`
      for (const user of [
        'shop%2Ftill:wrong',
        'nobody:open%20sesame',
        'data%2Fetl:correct',
        'old%2Fbcrypt:anything',
        'shop%2Ftill%3Aopen:sesame',
      ]) {
        const { code, stderr } = await curl(`socks5h://${user}@${at}`)
        expect([user, code, stderr]).toEqual([user, 97, expect.stringMatching(/rejected/)])
      }
      const refusals = await Promise.all(
        ['socks-credentials-refused', 'socks-malformed'].map((reason) =>
          metricOf(gw, 'tidegate_downstream_refused_total', { reason }),
        ),
      )
      expect(refusals).toEqual([4, 1])
    }
    expect(await clientsIn(ledger)).toEqual([])
  })

  test('who offers none is known by its address, or refused with the other unknown clients', async () => {
    const ledger = folder.join('none.jsonl')
    {
      await using gw = await start(ledger)
      expect((await curl(`socks5h://127.0.0.1:${gw.egressPort}`)).stderr).toMatch(/\(2\)/)
    }
    {
      await using gw = await start(ledger, false)
      expect((await curl(`socks5h://127.0.0.1:${gw.egressPort}`)).stdout).toBe('web')
    }
    expect(await clientsIn(ledger)).toEqual(['socks blocked  unknown', 'socks allowed  unknown'])
  })

  test('messages in single bytes, and all in one segment, are understood', async () => {
    await using gw = await start(folder.join('bytes.jsonl'))
    const user = '\x01\x09shop/till\x0bopen sesame'
    const request = '\x05\x01\x00\x03\x03web\x1f\x90'
    const answers = '\x05\x02\x01\x00\x05\x00\x00\x01\0\0\0\0\0\0'
    const slow = await RawSocket.connect(gw.egressPort)
    await slow.drip(`\x05\x02\x00\x02${user}${request}`)
    await slow.until(answers)
    slow.destroy()
    const quick = await RawSocket.connect(gw.egressPort)
    quick.write(`\x05\x01\x02${user}${request}GET / HTTP/1.1\r\nhost: web\r\n\r\n`)
    await quick.until(`${answers}HTTP/1.1 200 OK`)
    quick.destroy()
  })
})

test('htpasswd users are known over HTTP; the whole hash is compared', async () => {
  await using gw = await start(folder.join('http.jsonl'))
  const ask = async (pair: string): Promise<number> => {
    const headers = { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }
    return (await callProxy(gw.egressPort, 'http://web:8080/', { headers })).status
  }
  expect(await ask('data/etl:correct horse')).toBe(403)
  expect(await ask('data/etl:correct hors')).toBe(407)
  expect(await ask(`data/etl:${sha('correct horse')}`)).toBe(407)
  expect(await ask('old/bcrypt:$2y$05$abcdefghijklmnopqrstuuS1WnFB9t1c0GqLqmVaP3YhJyFQxkz8y')).toBe(
    407,
  )
})
