import { Command } from 'commander'
import { addRunFlags, runOptionsOf } from './run-flags.ts'
import { run } from './run.ts'

const NOTES = `
Every flag is also a variable: TIDEGATE_DRAIN_DELAY for --drain-delay (repeatable ones take values
separated by white space), REDIS_URL for --redis. Flags win.
SIGTERM drains and exits, a second one hurries; SIGHUP reads the configuration again.
`

/** The verb `run` with its flags. */
export function runVerb(): Command {
  return addRunFlags(new Command('run').description('serve traffic'))
    .addHelpText('after', NOTES)
    .action(async (_flags: unknown, command: Command) => {
      await run(runOptionsOf(command, process.env))
    })
}
