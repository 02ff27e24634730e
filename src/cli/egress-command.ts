import { Command, Option } from 'commander'
import { DEFAULT_NAMESPACE } from '../process/run-options.ts'
import { blocked } from './egress-blocked.ts'
import { learn } from './egress-learn.ts'
import { verifyLedgers } from './egress-verify.ts'
import { usageError } from './exit.ts'
import { outputOption, parseOutput, repeatable } from './flag-options.ts'
import { parseChoice } from './flag-values.ts'
import { adminOption, parseAdmin } from './gateway-flags.ts'

const HASH = /^[0-9a-f]{64}$/

/** The verb `egress`: what to do with a ledger. */
export function egressCommand(): Command {
  const command = new Command('egress').description(
    'read the ledger of the egress proxy: verify, blocked, learn',
  )
  for (const verb of [verifyCommand(), blockedCommand(), learnCommand()]) {
    verb.exitOverride().configureOutput({ outputError: () => undefined })
    command.addCommand(verb)
  }
  return command
}

const VERIFY_NOTES = `
Rotated files belong together: give them all, in any order. What is cut off at the end shows only
against a hash that was kept elsewhere: the process log has one at every rotation and at the end.
Exit status: 0 when the chain is whole, 1 when it is not.
`

function verifyCommand(): Command {
  return new Command('verify')
    .description('is every line as it was written, and none missing?')
    .argument('<ledger...>', 'files of one ledger')
    .addOption(repeatable('--head <hash>', 'a hash that a line must have'))
    .addOption(outputOption())
    .addHelpText('after', VERIFY_NOTES)
    .action(async (files: string[], flags: { head: string[]; output: string }) => {
      for (const head of flags.head) {
        if (!HASH.test(head)) {
          throw usageError(`"${head}" is not a hash`, '--head', 'write the 64 hex digits')
        }
      }
      process.exitCode = await verifyLedgers(files, flags.head, parseOutput(flags.output))
    })
}

function blockedCommand(): Command {
  return new Command('blocked')
    .description('who was refused what, how often, and what would allow it')
    .argument('[ledger...]', 'ledgers; none: what a running gateway remembers')
    .addOption(adminOption())
    .option('--top <n>', 'how many', '20')
    .addOption(outputOption())
    .action(async (ledgers: string[], flags: { admin: string; top: string; output: string }) => {
      const source = { ledgers, admin: parseAdmin(flags.admin) }
      const top = positive('--top', flags.top)
      process.exitCode = await blocked(source, top, parseOutput(flags.output))
    })
}

const LEARN_NOTES = `
What passed undeclared (verdicts would-block and passthrough) is declared, host by host and port by
port; what was refused is not. Exit status: 1 when something could not be put into the output.
`

function learnCommand(): Command {
  return new Command('learn')
    .description('ServiceEntries that allow what was seen, and nothing else')
    .argument('<ledger...>', 'files of ledgers')
    .option('--namespace <ns>', 'namespace the gateway stands in', DEFAULT_NAMESPACE)
    .option('--per-namespace', 'entries and Sidecars for each namespace that was seen')
    .option('--wildcards <n>', 'n or more hosts of one domain on the same ports become *.domain')
    .addOption(new Option('-o, --output <format>', 'yaml, json').default('yaml'))
    .addHelpText('after', LEARN_NOTES)
    .action(async (ledgers: string[], flags: LearnFlags) => {
      const layout = {
        namespace: flags.namespace,
        perNamespace: flags.perNamespace ?? false,
        wildcards: flags.wildcards === undefined ? null : positive('--wildcards', flags.wildcards),
      }
      const output = parseChoice('--output', flags.output, ['yaml', 'json'])
      process.exitCode = await learn(ledgers, layout, output)
    })
}

interface LearnFlags {
  namespace: string
  perNamespace?: boolean
  wildcards?: string
  output: string
}

function positive(flag: string, text: string): number {
  const number = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (number > 0) return number
  throw usageError(`"${text}" is not a number above 0`, flag, `write ${flag} 20`)
}
