import { Command, Option } from 'commander'
import { DEFAULT_DOMAIN, DEFAULT_NAMESPACE } from '../process/run-options.ts'
import { parseAdvertise } from './dns-flags.ts'
import { dns } from './dns.ts'
import { usageError } from './exit.ts'
import { outputOption, parseOutput, repeatable } from './flag-options.ts'
import { parseLabels } from './flag-values.ts'
import { adminOption, parseAdmin } from './gateway-flags.ts'

interface DnsFlags {
  config: string[]
  admin: string
  advertise: string[]
  labels: string[]
  namespace: string
  domain: string
  output: string
}

const NOTES = `
Exit status: 0 when every host has a value, 3 while one is missing or no gateway answers, 1 when a
Gateway or Service has errors, 2 usage.

  tidegate dns
  tidegate dns -c ./istio --labels istio=ingressgateway
  tidegate dns -c ./istio --advertise 203.0.113.7 -o json
`

/** The verb `dns` with its flags. */
export function dnsCommand(): Command {
  const command = new Command('dns')
    .description('the DNS record of every Gateway host, or why there is no address for it yet')
    .addHelpText('after', NOTES)
  const options = [
    adminOption(),
    repeatable('-c, --config <path>', 'files instead of a running gateway'),
    repeatable('--advertise <address>', 'address or host name clients use, whatever Services say'),
    repeatable(
      '--labels <k=v,...>',
      'with -c: own labels that Gateway and Service selectors are matched against',
    ),
    new Option('--namespace <ns>', 'with -c: namespace the gateway stands in').default(
      DEFAULT_NAMESPACE,
    ),
    new Option('--domain <domain>', 'with -c: cluster domain').default(DEFAULT_DOMAIN),
    outputOption(),
  ]
  for (const option of options) command.addOption(option)
  return command.action(async (flags: DnsFlags) => {
    if (flags.config.length > 0 && command.getOptionValueSource('admin') === 'cli') {
      throw usageError(
        'both files and a running gateway are named',
        '-c, --admin',
        'give -c for files, or --admin for what a gateway serves',
      )
    }
    process.exitCode = await dns({
      config: flags.config,
      admin: parseAdmin(flags.admin),
      offline: {
        labels: flags.labels.map(parseLabels),
        namespace: flags.namespace,
        domain: flags.domain,
        meshConfig: null,
        compat: false,
      },
      advertise: flags.advertise.map(parseAdvertise),
      output: parseOutput(flags.output),
    })
  })
}
