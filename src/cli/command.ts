import { Command, CommanderError } from 'commander'
import { drainCommand, reloadCommand, statusCommand } from './admin-commands.ts'
import { certsCommand } from './certs-command.ts'
import { CommandError, EXIT_FINDINGS, EXIT_OK, EXIT_USAGE, printError, usageError } from './exit.ts'
import { dnsCommand } from './dns-command.ts'
import { egressCommand } from './egress-command.ts'
import { explainCommand } from './explain-command.ts'
import { getCommand } from './get-command.ts'
import { healthcheckCommand } from './healthcheck-command.ts'
import { limitCommand } from './limit-command.ts'
import { proxyConfigCommand } from './proxy-config-command.ts'
import { routeTestCommand } from './route-test-command.ts'
import { runVerb } from './run-command.ts'
import { validateCommand } from './validate-command.ts'
import { packageVersion, versionCommand } from './version.ts'

/** Runs one verb and sets the exit status: 0 fine, 1 findings or failure, 2 usage, 3 not ready. */
export async function runCommand(args: readonly string[]): Promise<void> {
  try {
    await program().parseAsync([...args], { from: 'user' })
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
function program(): Command {
  const root = new Command('tidegate')
    .description('Ingress and egress gateway that runs the Istio traffic API, without Envoy')
    .version(packageVersion(), '-V, --version', 'print the version number')
    .addHelpText('after', EXIT_STATUSES)
  const verbs = [
    runVerb(),
    validateCommand(),
    routeTestCommand(),
    explainCommand(),
    egressCommand(),
    limitCommand(),
    dnsCommand(),
    proxyConfigCommand(),
    getCommand(),
    statusCommand(),
    reloadCommand(),
    drainCommand(),
    certsCommand(),
    versionCommand(),
    healthcheckCommand(),
  ]
  for (const verb of verbs) root.addCommand(verb)
  throwErrors(root)
  return root
}

/** Also in verbs of verbs: errors are printed in one place, as every other. */
function throwErrors(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => undefined })
  for (const verb of command.commands) throwErrors(verb)
}
