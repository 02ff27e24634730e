import { Command } from 'commander'
import { drain } from './drain.ts'
import { outputOption, parseOutput } from './flag-options.ts'
import { adminOption, parseAdmin } from './gateway-flags.ts'
import { reload } from './reload.ts'
import { status } from './status.ts'

interface AdminFlags {
  admin: string
  output: string
}

const STATUS_NOTES = `
Exit status: 0 when all is well, 1 when something is degraded, 3 when no gateway answers or none
serves yet.
`

/** The verb `status` with its flags. */
export function statusCommand(): Command {
  return new Command('status')
    .description('generation, listeners, problems and what is degraded in a running gateway')
    .addHelpText('after', STATUS_NOTES)
    .addOption(adminOption())
    .addOption(outputOption())
    .action(async (flags: AdminFlags) => {
      process.exitCode = await status(parseAdmin(flags.admin), parseOutput(flags.output))
    })
}

const DRAIN_NOTES = `
It does not wait: tidegate status tells the state. The process goes on; SIGTERM drains and ends it.
`

/** The verb `drain` with its flags. */
export function drainCommand(): Command {
  return new Command('drain')
    .description('have a running gateway take no new connections')
    .addHelpText('after', DRAIN_NOTES)
    .addOption(adminOption())
    .option('--now', 'close open connections too, instead of letting them end')
    .addOption(outputOption())
    .action(async (flags: AdminFlags & { now?: boolean }) => {
      process.exitCode = await drain(parseAdmin(flags.admin), {
        graceful: flags.now !== true,
        output: parseOutput(flags.output),
      })
    })
}

const RELOAD_NOTES = `
Exit status: 0 when the configuration is served, with the errors and warnings that are printed;
1 when it could not be applied and the one before serves on; 3 when no gateway answers.
`

/** The verb `reload` with its flags. */
export function reloadCommand(): Command {
  return new Command('reload')
    .description('have a running gateway read its configuration again')
    .addHelpText('after', RELOAD_NOTES)
    .addOption(adminOption())
    .addOption(outputOption())
    .action(async (flags: AdminFlags) => {
      process.exitCode = await reload(parseAdmin(flags.admin), parseOutput(flags.output))
    })
}
