import { Command, CommanderError, Option } from 'commander'
import { CommandError, EXIT_FINDINGS, EXIT_OK, EXIT_USAGE, printError, usageError } from './exit.ts'
import { parseAddress, parseChoice } from './flag-values.ts'
import { healthcheck } from './healthcheck.ts'
import { OUTPUT_FORMATS } from './output.ts'
import { run } from './run.ts'
import { addRunFlags, runOptionsOf } from './run-flags.ts'
import { validate } from './validate.ts'
import { packageVersion, printVersion } from './version.ts'

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
const RUN_NOTES = `
Every flag is also a variable: TIDEGATE_DRAIN_DELAY for --drain-delay (repeatable ones take values
separated by white space), REDIS_URL for --redis. Flags win.
SIGTERM drains and exits, a second one hurries; SIGHUP reads the configuration again.
`
const VALIDATE_NOTES = `
A Secret that is missing is a warning here: files under version control come without them.
`

function outputOption(): Option {
  return new Option('-o, --output <format>', OUTPUT_FORMATS.join(', ')).default('table')
}

function program(): Command {
  const root = new Command('tidegate')
    .description('Ingress and egress gateway that runs the Istio traffic API, without Envoy')
    .version(packageVersion(), '-V, --version', 'print the version number')
    .addHelpText('after', EXIT_STATUSES)
  addRunFlags(root.command('run').description('serve traffic'))
    .addHelpText('after', RUN_NOTES)
    .action(async (_flags: unknown, command: Command) => {
      await run(runOptionsOf(command, process.env))
    })
  root
    .command('validate')
    .description('check files and folders; exit 1 when there are errors')
    .addHelpText('after', VALIDATE_NOTES)
    .argument('<path...>', 'files or folders')
    .addOption(outputOption())
    .option('--fail-on <severity>', 'error or warning', 'error')
    .option('--compat', 'tolerate what Istio tolerates')
    .action(
      async (paths: string[], flags: { output: string; failOn: string; compat?: boolean }) => {
        process.exitCode = await validate(paths, {
          output: parseChoice('--output', flags.output, OUTPUT_FORMATS),
          failOn: parseChoice('--fail-on', flags.failOn, ['error', 'warning']),
          compat: flags.compat ?? false,
        })
      },
    )
  root
    .command('version')
    .description('print the version')
    .addOption(outputOption())
    .action((flags: { output: string }) => {
      printVersion(parseChoice('--output', flags.output, OUTPUT_FORMATS))
    })
  root
    .command('healthcheck')
    .description('exit 0 when the gateway is ready, 3 when it is not')
    .option(
      '--status <[host:]port>',
      'status address of the gateway',
      process.env['TIDEGATE_STATUS'] ?? '127.0.0.1:15021',
    )
    .action(async (flags: { status: string }) => {
      await healthcheck(parseAddress('--status', flags.status))
    })
  for (const command of [root, ...root.commands]) {
    command.exitOverride().configureOutput({ outputError: () => undefined })
  }
  return root
}
