import { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import type { RunOptions } from '../process/run-options.ts'
import { CommandError, EXIT_USAGE } from './exit.ts'
import { addRunFlags, runOptionsOf } from './run-flags.ts'

function options(line: string, env: NodeJS.ProcessEnv = {}): RunOptions {
  const command = addRunFlags(new Command('run').exitOverride())
  command.configureOutput({ outputError: () => undefined })
  command.parse(
    line.split(' ').filter((word) => word !== ''),
    { from: 'user' },
  )
  return runOptionsOf(command, env)
}

test('nothing given: the documented defaults', () => {
  expect(options('')).toMatchObject({
    config: [],
    watch: true,
    labels: [],
    namespace: 'istio-system',
    domain: 'cluster.local',
    listen: new Map(),
    egress: [],
    egressAllow: [],
    resolvers: [],
    meshConfig: null,
    redisUrl: null,
    rateLimitConfig: null,
    admin: { host: '127.0.0.1', port: 15000 },
    status: { host: '0.0.0.0', port: 15021 },
    plugins: [],
    compat: false,
    limits: new Map(),
    strict: false,
    drainTimeoutMs: 45_000,
    drainDelayMs: 5_000,
    accessLogFd: 1,
    logLevel: 'info',
  })
})

/** Every flag: as words, the same as a variable, and what it means. */
const flags: [line: string, env: NodeJS.ProcessEnv, expected: Partial<RunOptions>][] = [
  ['-c a -c b', { TIDEGATE_CONFIG: 'a b' }, { config: ['a', 'b'] }],
  ['--config a', { TIDEGATE_CONFIG: ' a ' }, { config: ['a'] }],
  ['--no-watch', { TIDEGATE_WATCH: 'false' }, { watch: false }],
  ['--no-watch', { TIDEGATE_NO_WATCH: 'true' }, { watch: false }],
  [
    '--labels istio=ingressgateway,app=x --labels istio=egressgateway',
    { TIDEGATE_LABELS: 'istio=ingressgateway,app=x istio=egressgateway' },
    { labels: [{ istio: 'ingressgateway', app: 'x' }, { istio: 'egressgateway' }] },
  ],
  ['--namespace edge', { TIDEGATE_NAMESPACE: 'edge' }, { namespace: 'edge' }],
  [
    '--locality eu/eu-1/rack-7',
    { TIDEGATE_LOCALITY: 'eu/eu-1/rack-7' },
    { locality: 'eu/eu-1/rack-7' },
  ],
  ['--domain corp.local', { TIDEGATE_DOMAIN: 'corp.local' }, { domain: 'corp.local' }],
  [
    '--listen 80=8080 --listen 443=127.0.0.1:0',
    { TIDEGATE_LISTEN: '80=8080\n443=127.0.0.1:0' },
    {
      listen: new Map([
        [80, { host: null, port: 8080 }],
        [443, { host: '127.0.0.1', port: 0 }],
      ]),
    },
  ],
  [
    '--egress 3128 --egress [::1]:3129',
    { TIDEGATE_EGRESS: '3128 [::1]:3129' },
    {
      egress: [
        { host: null, port: 3128 },
        { host: '::1', port: 3129 },
      ],
    },
  ],
  [
    '--egress-allow 127.0.0.0/8 --egress-allow ::1',
    { TIDEGATE_EGRESS_ALLOW: '127.0.0.0/8 ::1' },
    { egressAllow: ['127.0.0.0/8', '::1'] },
  ],
  [
    '--resolver 10.96.0.10 --resolver 127.0.0.1:5353',
    { TIDEGATE_RESOLVER: '10.96.0.10 127.0.0.1:5353' },
    { resolvers: ['10.96.0.10', '127.0.0.1:5353'] },
  ],
  ['--mesh-config m.yaml', { TIDEGATE_MESH_CONFIG: 'm.yaml' }, { meshConfig: 'm.yaml' }],
  ['--redis redis://r', { TIDEGATE_REDIS: 'redis://r' }, { redisUrl: 'redis://r' }],
  ['--redis redis://r', { REDIS_URL: 'redis://r' }, { redisUrl: 'redis://r' }],
  ['--rate-limit-config d', { TIDEGATE_RATE_LIMIT_CONFIG: 'd' }, { rateLimitConfig: 'd' }],
  [
    '--rate-limit-mode external',
    { TIDEGATE_RATE_LIMIT_MODE: 'external' },
    { rateLimitMode: 'external' },
  ],
  [
    '--rate-limit-server 127.0.0.1:8081 --rate-limit-server-headers',
    {
      TIDEGATE_RATE_LIMIT_SERVER: '127.0.0.1:8081',
      TIDEGATE_RATE_LIMIT_SERVER_HEADERS: 'true',
    },
    { rateLimitServer: { listen: { host: '127.0.0.1', port: 8081 }, responseHeaders: true } },
  ],
  [
    '--trusted-proxy 10.0.0.0/8 --trusted-proxy ::1',
    { TIDEGATE_TRUSTED_PROXY: '10.0.0.0/8 ::1' },
    { trustedProxies: ['10.0.0.0/8', '::1'] },
  ],
  [
    '--limit head-bytes=64k --limit idle-timeout=1m30s',
    { TIDEGATE_LIMIT: 'head-bytes=64k idle-timeout=1m30s' },
    {
      limits: new Map([
        ['head-bytes', 65_536],
        ['idle-timeout', 90_000],
      ]),
    },
  ],
  ['--admin off', { TIDEGATE_ADMIN: 'off' }, { admin: null }],
  ['--admin 0', { TIDEGATE_ADMIN: '0' }, { admin: { host: null, port: 0 } }],
  ['--status off', { TIDEGATE_STATUS: 'off' }, { status: null }],
  ['--plugin ./a.ts --plugin b', { TIDEGATE_PLUGIN: './a.ts b' }, { plugins: ['./a.ts', 'b'] }],
  ['--compat', { TIDEGATE_COMPAT: '1' }, { compat: true }],
  ['--strict', { TIDEGATE_STRICT: 'yes' }, { strict: true }],
  ['--drain-timeout 1m', { TIDEGATE_DRAIN_TIMEOUT: '1m' }, { drainTimeoutMs: 60_000 }],
  ['--drain-delay 0s', { TIDEGATE_DRAIN_DELAY: '0s' }, { drainDelayMs: 0 }],
  ['--log-level debug', { TIDEGATE_LOG_LEVEL: 'debug' }, { logLevel: 'debug' }],
  ['--log-format pretty', { TIDEGATE_LOG_FORMAT: 'pretty' }, { logFormat: 'pretty' }],
]

describe.each(flags)('%s', (line, env, expected) => {
  test('as a flag', () => {
    expect(options(line)).toEqual({ ...options(''), ...expected })
  })

  test('as a variable', () => {
    expect(options('', env)).toEqual({ ...options(''), ...expected })
  })
})

describe('flags win over variables', () => {
  const cases: [line: string, env: NodeJS.ProcessEnv, expected: Partial<RunOptions>][] = [
    ['--namespace a', { TIDEGATE_NAMESPACE: 'b' }, { namespace: 'a' }],
    ['-c a', { TIDEGATE_CONFIG: 'b c' }, { config: ['a'] }],
    ['--no-watch', { TIDEGATE_WATCH: 'true' }, { watch: false }],
    ['--compat', { TIDEGATE_COMPAT: 'false' }, { compat: true }],
    [
      '--redis redis://a',
      { TIDEGATE_REDIS: 'redis://b', REDIS_URL: 'redis://c' },
      { redisUrl: 'redis://a' },
    ],
    ['--admin 15000', { TIDEGATE_ADMIN: 'off' }, { admin: { host: null, port: 15000 } }],
    // A value that equals the default was given all the same.
    ['--domain cluster.local', { TIDEGATE_DOMAIN: 'b' }, { domain: 'cluster.local' }],
  ]
  test.each(cases)('%s over %j', (line, env, expected) => {
    expect(options(line, env)).toMatchObject(expected)
  })
})

describe('variables', () => {
  test('of our own name win over REDIS_URL', () => {
    const env = { TIDEGATE_REDIS: 'redis://own', REDIS_URL: 'redis://common' }
    expect(options('', env).redisUrl).toBe('redis://own')
  })

  test('that are empty were not given', () => {
    const env = Object.fromEntries(
      flags.flatMap(([, { ...names }]) => Object.keys(names)).map((name) => [name, '']),
    )
    expect(options('', env)).toEqual(options(''))
  })

  test('that say no', () => {
    const env = { TIDEGATE_NO_WATCH: 'off', TIDEGATE_COMPAT: '0', TIDEGATE_STRICT: 'no' }
    expect(options('', env)).toMatchObject({ watch: true, compat: false, strict: false })
  })

  test.each(['TIDEGATE_COMPAT', 'TIDEGATE_STRICT', 'TIDEGATE_WATCH', 'TIDEGATE_NO_WATCH'])(
    '%s is true or false',
    (name) => {
      expect(() => options('', { [name]: 'maybe' })).toThrow(/neither true nor false/)
    },
  )

  test('are checked like flags', () => {
    expect(() => options('', { TIDEGATE_LISTEN: '80' })).toThrow(CommandError)
  })
})

describe('what cannot be meant is a usage error', () => {
  test.each([
    '--listen 80',
    '--egress off',
    '--egress-allow nowhere',
    '--labels istio',
    '--admin nowhere',
    '--status 70000',
    '--drain-timeout 45',
    '--drain-delay soon',
    '--log-level loud',
    '--log-format xml',
    '--redis http://x',
    '--rate-limit-mode sometimes',
    '--rate-limit-server off',
    '--rate-limit-server-headers',
    '--limit head-bytes',
    '--limit nonsense=1',
  ])('%s', (line) => {
    expect(() => options(line)).toThrow(expect.objectContaining({ exitCode: EXIT_USAGE }))
  })

  test.each(['--nonsense', '--namespace', '-c'])('%s', (line) => {
    expect(() => options(line)).toThrow(/unknown option|argument missing/)
  })
})
