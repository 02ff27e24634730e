import { Command, Option } from 'commander'
import { DEFAULT_DOMAIN, DEFAULT_NAMESPACE } from '../process/run-options.ts'
import {
  decisionFlags,
  decisionOptionsOf,
  placeFlags,
  type RawDecisionFlags,
  type RawPlaceFlags,
} from './decision-flags.ts'
import { usageError } from './exit.ts'
import { outputOption, parseOutput, repeatable } from './flag-options.ts'
import type { OfflineOptions } from './offline-configuration.ts'
import type { CaseFile } from './route-cases/case-file.ts'
import { testRoutes } from './route-test.ts'

interface RouteTestFlags extends Partial<RawPlaceFlags>, RawDecisionFlags {
  config: string[]
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
    // Without their defaults: a case file may say it too.
    ...placeFlags().map((option) => option.default(undefined)),
    ...decisionFlags(),
    new Option('--coverage', 'list the rules that no case reaches'),
    new Option('--fail-under <percent>', 'exit 1 when fewer rules are covered'),
    outputOption(),
  ]
  for (const option of options) command.addOption(option)
  return command.action(async (files: string[], flags: RouteTestFlags) => {
    process.exitCode = await testRoutes(files, {
      output: parseOutput(flags.output),
      config: flags.config,
      configurationOf: (file) => configurationOf(flags, file),
      coverage: flags.coverage ?? false,
      failUnder: flags.failUnder === undefined ? null : parsePercent(flags.failUnder),
    })
  })
}

/** Flags win over what the file says. */
function configurationOf(flags: RouteTestFlags, file: CaseFile): OfflineOptions {
  const { namespace, domain, meshConfig, compat } = file
  const given = decisionOptionsOf({
    ...flags,
    namespace: flags.namespace ?? namespace ?? DEFAULT_NAMESPACE,
    domain: flags.domain ?? domain ?? DEFAULT_DOMAIN,
  })
  return {
    ...given,
    labels: flags.labels.length > 0 ? given.labels : (file.labels ?? []),
    meshConfig: given.meshConfig ?? meshConfig,
    compat: flags.compat ?? compat ?? false,
  }
}

const ALL = 100

function parsePercent(text: string): number {
  const percent = /^\d{1,3}(?:\.\d+)?$/.test(text) ? Number(text) : -1
  if (percent >= 0 && percent <= ALL) return percent
  throw usageError(`"${text}" is not a percentage`, '--fail-under', 'give a number from 0 to 100')
}
