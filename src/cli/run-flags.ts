import { type Command, Option } from 'commander'
import { LOG_LEVELS, type RunOptions, STDOUT_FD } from '../process/run-options.ts'
import { acmeFlags, acmeSettingsOf, type RawAcmeFlags } from './acme-flags.ts'
import {
  decisionFlags,
  decisionOptionsOf,
  placeFlags,
  type RawDecisionFlags,
  type RawPlaceFlags,
} from './decision-flags.ts'
import { dnsFlags, dnsSettingsOf, type RawDnsFlags } from './dns-flags.ts'
import { egressLedgerFlags, egressLedgerOf, type RawEgressFlags } from './egress-flags.ts'
import { usageError } from './exit.ts'
import { repeatable } from './flag-options.ts'
import {
  parseAddress,
  parseChoice,
  parseDurationFlag,
  parseListen,
  parseLocalityFlag,
  parseOptionalAddress,
  parseRedisUrl,
  parseResolver,
} from './flag-values.ts'
import {
  type RawRateLimitFlags,
  rateLimitServerFlags,
  rateLimitServerOf,
} from './rate-limit-flags.ts'

interface RawRunFlags
  extends
    RawPlaceFlags,
    RawDecisionFlags,
    RawRateLimitFlags,
    RawEgressFlags,
    RawDnsFlags,
    RawAcmeFlags {
  config: string[]
  watch: boolean
  listen: string[]
  egress: string[]
  resolver: string[]
  redis?: string
  admin: string
  status: string
  plugin: string[]
  strict?: boolean
  drainTimeout: string
  drainDelay: string
  logLevel: string
  logFormat?: string
}

/**
 * Declares the flags of `run`; each is also a variable TIDEGATE_<FLAG>, those that may be given
 * several times with white space between the values.
 */
export function addRunFlags(command: Command): Command {
  const options = [
    repeatable('-c, --config <path>', 'file or folder with Istio and Kubernetes YAML'),
    new Option('--no-watch', 'do not follow changes of the configuration'),
    ...placeFlags(),
    ...decisionFlags(),
    repeatable(
      '--listen <port=[host:]port>',
      'where the listener of a Gateway server port binds; else that port, on all addresses',
    ),
    repeatable(
      '--egress <[host:]port>',
      'egress proxy for pods: HTTP, CONNECT, SOCKS5 and redirected traffic; else MeshConfig proxyHttpPort',
    ),
    ...egressLedgerFlags(),
    ...dnsFlags(),
    repeatable('--resolver <host[:port]>', 'name server for every lookup the proxy makes'),
    new Option('--redis <url>', 'Redis for shared rate limits; else each process counts alone'),
    ...rateLimitServerFlags(),
    ...acmeFlags(),
    new Option('--admin <[host:]port|off>', 'admin API and dashboard').default('127.0.0.1:15000'),
    new Option('--status <[host:]port|off>', '/healthz/ready and /stats/prometheus').default(
      '0.0.0.0:15021',
    ),
    repeatable('--plugin <spec>', 'Fastify plugin, path or package, for every HTTP listener'),
    new Option('--strict', 'refuse to start when a resource has an error'),
    new Option(
      '--drain-timeout <duration>',
      'how long requests may take to finish at shutdown',
    ).default('45s'),
    new Option('--drain-delay <duration>', 'how long to keep accepting after SIGTERM').default(
      '5s',
    ),
    new Option('--log-level <level>', LOG_LEVELS.join(', ')).default('info'),
    new Option('--log-format <format>', 'json, or pretty (default on a terminal)'),
  ]
  for (const option of options) command.addOption(option)
  return command
}

const REPEATABLE = [
  'config',
  'labels',
  'listen',
  'egress',
  'egressAllow',
  'resolver',
  'dnsClients',
  'advertise',
  'trustedProxy',
  'limit',
  'plugin',
] as const
const BOOLEAN = ['watch', 'compat', 'strict', 'rateLimitServerHeaders', 'acmeAcceptTerms'] as const

/** Flags as given; those not given come from the environment. */
export function runOptionsOf(command: Command, env: NodeJS.ProcessEnv): RunOptions {
  const flags = withEnvironment(command, env)
  return {
    config: flags.config,
    watch: flags.watch,
    ...decisionOptionsOf(flags),
    locality: parseLocalityFlag(flags.locality ?? ''),
    nodeName: env['NODE_NAME'] ?? '',
    listen: new Map(flags.listen.map(parseListen)),
    egress: flags.egress.map((text) => parseAddress('--egress', text)),
    ...egressLedgerOf(flags),
    ...dnsSettingsOf(flags),
    ...acmeSettingsOf(flags),
    resolvers: flags.resolver.map(parseResolver),
    redisUrl: flags.redis === undefined ? null : parseRedisUrl(flags.redis),
    ...rateLimitServerOf(flags),
    admin: parseOptionalAddress('--admin', flags.admin),
    status: parseOptionalAddress('--status', flags.status),
    plugins: flags.plugin,
    strict: flags.strict ?? false,
    drainTimeoutMs: parseDurationFlag('--drain-timeout', flags.drainTimeout),
    drainDelayMs: parseDurationFlag('--drain-delay', flags.drainDelay),
    accessLogFd: STDOUT_FD,
    logLevel: parseChoice('--log-level', flags.logLevel, LOG_LEVELS),
    logFormat: parseChoice(
      '--log-format',
      flags.logFormat ?? (process.stderr.isTTY ? 'pretty' : 'json'),
      ['json', 'pretty'],
    ),
  }
}

function withEnvironment(command: Command, env: NodeJS.ProcessEnv): RawRunFlags {
  const flags = { ...command.opts<RawRunFlags>() }
  const values: Record<string, unknown> = { ...flags }
  for (const option of command.options) {
    const name = option.attributeName()
    if (command.getOptionValueSource(name) === 'cli') continue
    const text = environmentValue(name, env)
    if (text === null) continue
    if (REPEATABLE.some((known) => known === name))
      values[name] = text.split(/\s+/).filter((part) => part !== '')
    else if (BOOLEAN.some((known) => known === name)) values[name] = parseBoolean(name, text)
    else values[name] = text
  }
  // commander makes the names, and each value has been given the kind that its flag has.
  return values as unknown as RawRunFlags
}

/** TIDEGATE_DRAIN_TIMEOUT for drainTimeout; REDIS_URL stands in for TIDEGATE_REDIS. */
function environmentValue(name: string, env: NodeJS.ProcessEnv): string | null {
  const variable = `TIDEGATE_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
  const value = env[variable] ?? (name === 'watch' ? negated(env['TIDEGATE_NO_WATCH']) : undefined)
  if (value !== undefined && value !== '') return value
  if (name === 'redis' && env['REDIS_URL']) return env['REDIS_URL']
  return null
}

function negated(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined
  return parseBoolean('noWatch', text) ? 'false' : 'true'
}

function parseBoolean(name: string, text: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true
  if (/^(0|false|no|off)$/i.test(text)) return false
  throw usageError(
    `"${text}" is neither true nor false`,
    `TIDEGATE_* variable for ${name}`,
    'write true or false',
  )
}
