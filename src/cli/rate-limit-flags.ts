import { Option } from 'commander'
import { RATE_LIMIT_MODES } from '../../plugins/rate-limit/service/service-decisions.ts'
import type { RunOptions } from '../process/run-options.ts'
import { usageError } from './exit.ts'
import { parseAddress, parseChoice } from './flag-values.ts'

/** Flags of `run` about other rate limiters that ask, as given. */
export interface RawRateLimitFlags {
  rateLimitServer?: string
  rateLimitServerHeaders?: boolean
}

export function rateLimitModeFlag(): Option {
  return new Option(
    '--rate-limit-mode <mode>',
    'who counts limits of EnvoyFilters: auto (a named service where no descriptor file is), embedded, external',
  ).default('auto')
}

export function parseRateLimitMode(text: string): (typeof RATE_LIMIT_MODES)[number] {
  return parseChoice('--rate-limit-mode', text, RATE_LIMIT_MODES)
}

export function rateLimitServerFlags(): readonly Option[] {
  return [
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

export function rateLimitServerOf(flags: RawRateLimitFlags): Pick<RunOptions, 'rateLimitServer'> {
  const responseHeaders = flags.rateLimitServerHeaders ?? false
  if (responseHeaders && flags.rateLimitServer === undefined) {
    throw usageError(
      'there is no server whose answers could carry headers',
      '--rate-limit-server-headers',
      'give --rate-limit-server as well',
    )
  }
  if (flags.rateLimitServer === undefined) return {}
  const listen = parseAddress('--rate-limit-server', flags.rateLimitServer)
  return { rateLimitServer: { listen, responseHeaders } }
}
