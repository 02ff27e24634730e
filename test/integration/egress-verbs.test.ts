import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { runCommand } from '../support/command.ts'
import { callProxy } from '../support/egress.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { startGateway } from '../support/gateway.ts'

const REGISTRY_ONLY = `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "outboundTrafficPolicy: { mode: REGISTRY_ONLY }" }
`

test('verify, blocked and learn read what a gateway wrote, and blocked asks a running one', async () => {
  using folder = new TemporaryFolder()
  const ledger = folder.join('egress.jsonl')
  const options = { ports: [], egressProxy: true, egressLedger: { path: ledger, maxBytes: 1e9 } }
  {
    await using gw = await startGateway(REGISTRY_ONLY, options)
    for (const host of ['a.test', 'b.test', 'a.test']) {
      expect((await callProxy(gw.egressPort, `http://${host}/`)).status).toBe(502)
    }
    const admin = gw.admin.replace('http://', '')
    const live = await runCommand(['egress', 'blocked', '--admin', admin])
    expect(live).toMatchObject({ code: 0 })
    expect(live.stdout).toMatch(
      /^COUNT +VERDICT +HOST[^\n]*\n2 +blocked +a\.test:80 +127\.0\.0\.1 /,
    )
  }
  expect(await runCommand(['egress', 'learn', ledger])).toMatchObject({
    code: 0,
    stdout: '# nothing was seen that is not declared already\n',
  })
  writeFileSync(ledger, readFileSync(ledger, 'utf8').replace('b.test', 'c.test'))
  const changed = await runCommand(['egress', 'verify', ledger])
  expect(changed).toMatchObject({ code: 1 })
  expect(changed.stdout).toContain(`${ledger}:3: this line was changed`)
})
