import { Command, Option } from 'commander'
import { outputOption, parseOutput, repeatable } from './flag-options.ts'
import { parseLabels } from './flag-values.ts'
import { usageError } from './exit.ts'
import { testRoutes } from './route-test.ts'

interface RouteTestFlags {
  config: string[]
  labels: string[]
  namespace?: string
  domain?: string
  meshConfig?: string
  compat?: boolean
  coverage?: boolean
  failUnder?: string
  output: string
}

const NOTES = `
Exit status: 0 when every case passed, 1 when one failed or the configuration has errors, 2 when a
case file is malformed. A Secret that is missing counts as there.

  tidegate test routes.cases.yaml --coverage

  # routes.cases.yaml: docs/testing-routes.md
  configuration: [./istio]
  cases:
  - name: jason gets v2
    request: { url: https://shop.example.com/reviews, headers: { end-user: jason } }
    expect: { route: jason, destinations: [{ host: reviews, subset: v2 }] }
`

/** The verb `test` with its flags. */
export function routeTestCommand(): Command {
  const command = new Command('test')
    .description('run route cases against configuration, without sockets; exit 1 when one fails')
    .argument('<file...>', 'case files')
    .addHelpText('after', NOTES)
  const options = [
    repeatable('-c, --config <path>', 'configuration, in place of what the case files name'),
    repeatable('--labels <k=v,...>', 'own labels that Gateway selectors are matched against'),
    new Option('--namespace <ns>', 'namespace the gateway stands in'),
    new Option('--domain <domain>', 'cluster domain'),
    new Option('--mesh-config <path>', 'MeshConfig file; else the ConfigMap istio-system/istio'),
    new Option('--compat', "Istio's own behaviour where Tidegate differs on purpose"),
    new Option('--coverage', 'list the rules that no case reaches'),
    new Option('--fail-under <percent>', 'exit 1 when fewer rules are covered'),
    outputOption(),
  ]
  for (const option of options) command.addOption(option)
  return command.action(async (files: string[], flags: RouteTestFlags) => {
    process.exitCode = await testRoutes(files, {
      output: parseOutput(flags.output),
      config: flags.config,
      labels: flags.labels.length === 0 ? null : flags.labels.map(parseLabels),
      namespace: flags.namespace ?? null,
      domain: flags.domain ?? null,
      meshConfig: flags.meshConfig ?? null,
      compat: flags.compat ?? null,
      coverage: flags.coverage ?? false,
      failUnder: flags.failUnder === undefined ? null : parsePercent(flags.failUnder),
    })
  })
}

const ALL = 100

function parsePercent(text: string): number {
  const percent = /^\d{1,3}(?:\.\d+)?$/.test(text) ? Number(text) : -1
  if (percent >= 0 && percent <= ALL) return percent
  throw usageError(`"${text}" is not a percentage`, '--fail-under', 'give a number from 0 to 100')
}
