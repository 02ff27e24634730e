import { Command, CommanderError } from 'commander'
import { CommandError, EXIT_FINDINGS, EXIT_OK, EXIT_USAGE, printError, usageError } from './exit.ts'
import { verbsFor } from './verbs.ts'
import { packageVersion } from './version.ts'

/** Runs one verb and sets the exit status: 0 fine, 1 findings or failure, 2 usage, 3 not ready. */
export async function runCommand(args: readonly string[]): Promise<void> {
  try {
    await (await program(args)).parseAsync([...args], { from: 'user' })
  } catch (error) {
    process.exitCode = exitCodeOf(error)
  }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) {
    printError(error)
    return error.exitCode
  }
  if (error instanceof CommanderError) {
    // Help and version were asked for and printed; so was the help for a line without a verb.
    if (error.exitCode === 0) return EXIT_OK
    if (error.code !== 'commander.help') printError(commandLineError(error))
    return EXIT_USAGE
  }
  const message = error instanceof Error ? error.message : String(error)
  printError(
    new CommandError(message, null, 'please report this with the command line', EXIT_FINDINGS),
  )
  return EXIT_FINDINGS
}

/** "error: unknown option '--lisen'\n(Did you mean --listen?)" as what, where, what to do. */
function commandLineError(error: CommanderError): CommandError {
  const [what = '', suggestion] = error.message.replace(/^error: /, '').split('\n')
  const help = 'see tidegate --help and tidegate run --help'
  const hint =
    suggestion === undefined ? help : `${suggestion.replace(/^\(|\)$/g, '')} Else ${help}`
  return usageError(what, 'the command line', hint)
}

const EXIT_STATUSES = `
Exit status: 0 fine, 1 findings or a failed operation, 2 usage, 3 not ready.
`

async function program(args: readonly string[]): Promise<Command> {
  const root = new Command('tidegate')
    .description('Ingress and egress gateway that runs the Istio traffic API, without Envoy')
    .version(packageVersion(), '-V, --version', 'print the version number')
    .addHelpText('after', EXIT_STATUSES)
  for (const load of verbsFor(args)) root.addCommand(await load())
  throwErrors(root)
  return root
}

/** Also in verbs of verbs: errors are printed in one place, as every other. */
function throwErrors(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => undefined })
  for (const verb of command.commands) throwErrors(verb)
}
