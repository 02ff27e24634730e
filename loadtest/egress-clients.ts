import { parseArgs } from 'node:util'
import { EGRESS_CLIENTS } from '../test/support/egress-clients.ts'
import { startEgressSites } from '../test/support/egress-sites.ts'
import { TemporaryFolder } from '../test/support/folder.ts'
import { startGateway } from '../test/support/gateway.ts'
import { installed } from './proxies/proxy.ts'

/**
 * Clients that people use, through the egress port: curl, wget, git, undici and fetch by http_proxy,
 * https_proxy, ALL_PROXY and redirection, each as often as told. Ends with 1 when one of them is not
 * served as it should be, or is not installed.
 *
 *   apt-get install curl wget git
 *   node loadtest/egress-clients.ts [--times N]
 */
const { values } = parseArgs({ options: { times: { type: 'string', default: '1' } } })
const times = Number(values.times)
if (!Number.isInteger(times) || times < 1) throw new Error('--times takes a whole number from 1')

let failures = 0
using folder = new TemporaryFolder()
await using sites = await startEgressSites(folder)
await using gateway = await startGateway(sites.declarations, { ports: [], egressProxy: true })
const { egressPort } = gateway
for (let round = 0; round < times; round++) {
  for (const { name, program, prints, run } of EGRESS_CLIENTS) {
    // Repositories are cloned into a folder of their own each time.
    using own = new TemporaryFolder()
    if (program !== 'node' && !installed(program)) tell(name, false, `${program} is not installed`)
    else {
      try {
        const printed = await run({ egressPort, caFile: sites.caFile, folder: own })
        tell(name, printed.endsWith(prints), printed)
      } catch (error) {
        tell(name, false, error instanceof Error ? error.message : String(error))
      }
    }
  }
}
process.exitCode = failures === 0 ? 0 : 1

function tell(name: string, good: boolean, output: string): void {
  if (!good) failures++
  console.log(good ? `ok      ${name}` : `FAILED  ${name}\n${output}`)
}
