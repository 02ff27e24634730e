import { expect, test } from 'vitest'
import { decisions } from '../../src/cli/egress-ledger-reader.ts'
import { openTunnel } from '../support/egress.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { startGateway } from '../support/gateway.ts'
import { RawServer } from '../support/raw-socket.ts'
import { openSocks } from '../support/socks.ts'
import { waitFor } from '../support/wait.ts'
import { service } from '../support/yaml.ts'

test('tunnels that are open when the process ends are in the ledger', async () => {
  await using server = await new RawServer((socket) => socket.pipe(socket)).listen()
  using folder = new TemporaryFolder()
  const ledger = folder.join('egress.jsonl')
  const yaml = service('raw', server.port, { port: 9000, portName: 'tcp' })
  {
    await using gw = await startGateway(yaml, {
      ports: [],
      egressProxy: true,
      egressLedger: { path: ledger, maxBytes: 1e9 },
    })
    const connected = await openTunnel(gw.egressPort, 'raw:9000')
    const socks = await openSocks(gw.egressPort, { host: 'raw', port: 9000 })
    expect([connected.status, socks.reply]).toEqual([200, 0])
    for (const { socket } of [connected, socks]) socket.on('error', () => undefined)
    await waitFor('both tunnels', () => gw.gateway.activeExchanges === 2)
  }
  const found: string[] = []
  for await (const { kind, host, verdict } of decisions([ledger], { unreadable: 0 })) {
    found.push(`${kind} ${host} ${verdict}`)
  }
  expect(found.toSorted()).toEqual(['connect raw allowed', 'socks raw allowed'])
})
