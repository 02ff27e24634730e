import { Command } from 'commander'
import { usageError } from './exit.ts'
import {
  addQuestionFlags,
  callOf,
  type ExplainFlags,
  questionOptionsOf,
} from './explain-command.ts'
import { outputOption, parseOutput, repeatable } from './flag-options.ts'
import { adminOption, parseAdmin } from './gateway-flags.ts'
import { explainLimit } from './limit-explain.ts'
import { resetLimit } from './limit-reset.ts'
import { limitTop } from './limit-top.ts'

/** The verb `limit`: what rate limits do. */
export function limitCommand(): Command {
  const command = new Command('limit').description('see and reset rate limits: top, explain, reset')
  for (const verb of [topCommand(), explainCommand(), resetCommand()]) {
    verb.exitOverride().configureOutput({ outputError: () => undefined })
    command.addCommand(verb)
  }
  return command
}

const TOP_NOTES = `
KEY names a counter as Redis has it: a hash, from which no client can be read. To see whose it is,
ask tidegate limit explain about a request of the client. WOULD DENY: what shadow limits found.
USED, LEFT and RESET are of this moment; DENIED is what this gateway counted since the key is watched.
`

function topCommand(): Command {
  return new Command('top')
    .description('counters that are used up or nearly so, and what each rule did')
    .addHelpText('after', TOP_NOTES)
    .addOption(adminOption())
    .option('--limit <n>', 'how many counters, at most 256', '20')
    .addOption(outputOption())
    .action(async (flags: { admin: string; limit: string; output: string }) => {
      const count = /^\d{1,3}$/.test(flags.limit) ? Number(flags.limit) : 0
      if (count < 1 || count > MAX_COUNT) {
        throw usageError(`"${flags.limit}" is not from 1 to 256`, '--limit', 'write --limit 20')
      }
      process.exitCode = await limitTop(parseAdmin(flags.admin), count, parseOutput(flags.output))
    })
}

const MAX_COUNT = 256

const EXPLAIN_NOTES = `
Every filter that limits is listed, with every rule: the entries it makes of the request or what is
missing, the limit it hits, and with --admin how its counter stands. Nothing is counted.
Exit status: 0 when no limit would refuse the request, 1 when one would, 2 usage, 3 no gateway answers.

  tidegate limit explain -c ./istio GET http://shop.example.com/api -H 'x-user: ann'
  tidegate limit explain --admin 127.0.0.1:15000 GET http://shop.example.com/api --from 192.0.2.7
`

function explainCommand(): Command {
  const command = new Command('explain')
    .description('which limits a request meets, and whether they would admit it now')
    .argument('<method>', 'GET, POST, ...')
    .argument('<url>', 'http:// or https:// with host and path, as the client would call it')
    .addHelpText('after', EXPLAIN_NOTES)
  addQuestionFlags(command, 'through the egress proxy')
  return command.action(async (method: string, url: string, flags: ExplainFlags) => {
    process.exitCode = await explainLimit(callOf(method, url, flags), questionOptionsOf(flags))
  })
}

const RESET_NOTES = `
Counters are named by hashes of the values they count, so those of a rule that has one for each value
cannot be listed: name the value with --entry, or the counter with --key, or take with --hot those that
this gateway met near or over their limit. No key is looked for in Redis.

  tidegate limit reset --policy default/api --rule per-client --entry source=192.0.2.7
  tidegate limit reset --domain edge --entry PATH=/login --entry remote_address=192.0.2.7
  tidegate limit reset --policy default/api --hot

Names of entries are the keys of a descriptor, or of a RateLimitPolicy source, method, path,
headers.NAME and queryParams.NAME. Other gateways on the same Redis that know a counter to be used up
ask about it again after up to 5 s (in a cluster 250 ms).
Exit status: 0 done, 1 nothing or only a part could be named or reset, 2 usage, 3 no gateway answers.
`

interface ResetFlags {
  admin: string
  policy?: string
  domain?: string
  rule?: string
  entry: string[]
  key?: string
  hot?: boolean
  output: string
}

function resetCommand(): Command {
  return new Command('reset')
    .description('forget counters, so that their clients begin anew')
    .addHelpText('after', RESET_NOTES)
    .addOption(adminOption())
    .option('--policy <ns/name>', 'a RateLimitPolicy, or the EnvoyFilter of a local limit')
    .option('--domain <domain>', 'domain of a descriptor file')
    .option('--rule <name>', 'one rule of it, as limit top names it')
    .addOption(repeatable('--entry <name=value>', 'a value that tells counters apart'))
    .option('--key <key>', 'one counter, as limit top names it')
    .option('--hot', 'those too that were met near or over their limit')
    .addOption(outputOption())
    .action(async ({ admin, output, ...selection }: ResetFlags) => {
      process.exitCode = await resetLimit(parseAdmin(admin), selection, parseOutput(output))
    })
}
