import { Command } from 'commander'
import { parseAddress } from './flag-values.ts'
import { healthcheck } from './healthcheck.ts'

/** The verb `healthcheck` with its flags. */
export function healthcheckCommand(): Command {
  return new Command('healthcheck')
    .description('exit 0 when the gateway is ready, 3 when it is not')
    .option(
      '--status <[host:]port>',
      'status address of the gateway',
      process.env['TIDEGATE_STATUS'] ?? '127.0.0.1:15021',
    )
    .action(async (flags: { status: string }) => {
      await healthcheck(parseAddress('--status', flags.status))
    })
}
