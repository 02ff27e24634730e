import { Command, Option } from 'commander'
import { usageError } from './exit.ts'
import { outputOption, parseOutput } from './flag-options.ts'
import { addViewFlags, type ViewFlags, viewOf } from './gateway-flags.ts'
import { get, parseKind } from './get.ts'

interface GetFlags extends ViewFlags {
  namespace?: string
  allNamespaces?: boolean
  output: string
}

const NOTES = `
Resources with errors are listed too: the last good version of one is served, or the resource
without what is wrong; SERVED is NO where there is no good version. tidegate validate tells the errors.

  tidegate get vs
  tidegate get gateways -n shop -o json
  tidegate get dr reviews -c ./istio
`

/** The verb `get` with its flags. */
export function getCommand(): Command {
  const command = new Command('get')
    .description('list resources as served, with file, line and problems')
    .argument('<kind>', 'vs, gw, dr, se, or the name of a kind')
    .argument('[name]', 'this one only')
    .addHelpText('after', NOTES)
  addViewFlags(command)
  const options = [
    new Option('-n, --namespace <ns>', 'resources of this namespace; else of all'),
    new Option('-A, --all-namespaces', 'resources of all namespaces, which is the default'),
    outputOption(),
  ]
  for (const option of options) command.addOption(option)
  return command.action(async (written: string, name: string | undefined, flags: GetFlags) => {
    const kind = parseKind(written)
    if (flags.namespace !== undefined && flags.allNamespaces === true) {
      throw usageError('one namespace and all are asked for', '-n, -A', 'give one of them')
    }
    process.exitCode = await get(kind, await viewOf(command, flags), {
      namespace: flags.namespace ?? null,
      name: name ?? null,
      output: parseOutput(flags.output),
    })
  })
}
