import { Command } from 'commander'
import { outputOption, parseOutput } from './flag-options.ts'
import { parseChoice } from './flag-values.ts'
import { validate } from './validate.ts'

interface ValidateFlags {
  output: string
  failOn: string
  compat?: boolean
}

const NOTES = `
A Secret that is missing is a warning here: files under version control come without them.
`

/** The verb `validate` with its flags. */
export function validateCommand(): Command {
  return new Command('validate')
    .description('check files and folders; exit 1 when there are errors')
    .addHelpText('after', NOTES)
    .argument('<path...>', 'files or folders')
    .addOption(outputOption())
    .option('--fail-on <severity>', 'error or warning', 'error')
    .option('--compat', 'tolerate what Istio tolerates')
    .action(async (paths: string[], flags: ValidateFlags) => {
      process.exitCode = await validate(paths, {
        output: parseOutput(flags.output),
        failOn: parseChoice('--fail-on', flags.failOn, ['error', 'warning']),
        compat: flags.compat ?? false,
      })
    })
}
