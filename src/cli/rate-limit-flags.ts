import { Option } from 'commander'
import { RATE_LIMIT_MODES } from '../../plugins/rate-limit/service/service-decisions.ts'
import type { RunOptions } from '../process/run-options.ts'
import { usageError } from './exit.ts'
import { parseAddress, parseChoice } from './flag-values.ts'

/** Flags of `run` about other rate limiters, those asked and those that ask. */
export interface RawRateLimitFlags {
  rateLimitMode: string
  rateLimitServer?: string
  rateLimitServerHeaders?: boolean
}

export function rateLimitFlags(): readonly Option[] {
  return [
    new Option(
      '--rate-limit-mode <mode>',
      'who counts limits of EnvoyFilters: auto (a named service where no descriptor file is), embedded, external',
    ).default('auto'),
    new Option(
      '--rate-limit-server <[host:]port>',
      'answer others as a rate limit service: gRPC RateLimitService v3 and POST /json',
    ),
    new Option(
      '--rate-limit-server-headers',
      'its answers carry RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset',
    ),
  ]
}

export function rateLimitOptionsOf(
  flags: RawRateLimitFlags,
): Pick<RunOptions, 'rateLimitMode' | 'rateLimitServer'> {
  const responseHeaders = flags.rateLimitServerHeaders ?? false
  if (responseHeaders && flags.rateLimitServer === undefined) {
    throw usageError(
      'there is no server whose answers could carry headers',
      '--rate-limit-server-headers',
      'give --rate-limit-server as well',
    )
  }
  return {
    rateLimitMode: parseChoice('--rate-limit-mode', flags.rateLimitMode, RATE_LIMIT_MODES),
    ...(flags.rateLimitServer === undefined
      ? {}
      : {
          rateLimitServer: {
            listen: parseAddress('--rate-limit-server', flags.rateLimitServer),
            responseHeaders,
          },
        }),
  }
}
