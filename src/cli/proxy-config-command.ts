import { Command, Option } from 'commander'
import { closest } from '../base/closest.ts'
import { CallProblem, parsePort } from '../explain/call.ts'
import { DEFAULT_NAMESPACE } from '../process/run-options.ts'
import { usageError } from './exit.ts'
import { outputOption, parseOutput } from './flag-options.ts'
import { addViewFlags, type ViewFlags, viewOf } from './gateway-flags.ts'
import { CONFIG_PARTS, type ConfigPart, proxyConfig } from './proxy-config.ts'

interface ProxyConfigFlags extends ViewFlags {
  name?: string
  fqdn?: string
  port?: string
  namespace: string
  output: string
}

const NOTES = `
Exit status: 0, 2 usage, 3 when no gateway answers.

  tidegate proxy-config routes --name http.80
  tidegate pc endpoints --fqdn reviews.default.svc.cluster.local
  tidegate pc all -c ./istio -o json
`

/** The verb `proxy-config` with its flags. */
export function proxyConfigCommand(): Command {
  const command = new Command('proxy-config')
    .alias('pc')
    .description('show listeners, routes, clusters, endpoints or certificates as compiled')
    .argument('<part>', `${CONFIG_PARTS.join(', ')} (or in the singular), all`)
    .addHelpText('after', NOTES)
  addViewFlags(command)
  const options = [
    new Option('--namespace <ns>', 'with -c: namespace the gateway stands in').default(
      DEFAULT_NAMESPACE,
    ),
    new Option('--name <name>', 'this listener, route table, cluster or certificate only'),
    new Option('--fqdn <host>', 'clusters and endpoints of this service, routes of this domain'),
    new Option('--port <number>', 'Gateway server port, service port, or port of an endpoint'),
    outputOption(),
  ]
  for (const option of options) command.addOption(option)
  return command.action(async (written: string, flags: ProxyConfigFlags) => {
    const part = parsePart(written)
    const port = flags.port === undefined ? null : parsePort(flags.port)
    if (port instanceof CallProblem) throw usageError(port.message, '--port', port.hint)
    const selection = { name: flags.name ?? null, fqdn: flags.fqdn ?? null, port }
    const view = await viewOf(command, flags, flags.namespace)
    process.exitCode = await proxyConfig(part, view, {
      selection,
      output: parseOutput(flags.output),
    })
  })
}

/** istioctl takes `route` and `routes` alike. */
function parsePart(written: string): ConfigPart | 'all' {
  if (written === 'all') return 'all'
  const part = CONFIG_PARTS.find((known) => known === written || known === `${written}s`)
  if (part !== undefined) return part
  const meant = closest(written, CONFIG_PARTS)
  const choices = `choose one of ${CONFIG_PARTS.join(', ')}, all`
  const hint = meant === null ? choices : `did you mean ${meant}? Else ${choices}`
  throw usageError(`there is no part "${written}"`, 'proxy-config PART', hint)
}
