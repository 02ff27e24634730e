import { describe, expect, test } from 'vitest'
import { CommandError, EXIT_USAGE } from './exit.ts'
import {
  parseAddress,
  parseBlock,
  parseChoice,
  parseDurationFlag,
  parseLabels,
  parseListen,
  parseOptionalAddress,
  parseRedisUrl,
  parseResolver,
} from './flag-values.ts'

/** Expects a usage error that names `flag` and says what to write. */
function expectUsageError(flag: string, parse: () => unknown): CommandError {
  try {
    parse()
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    expect(error.exitCode).toBe(EXIT_USAGE)
    expect(error.where).toBe(flag)
    expect(error.hint).not.toBe('')
    return error
  }
  throw new Error('it was accepted')
}

describe('labels', () => {
  test.each([
    ['istio=ingressgateway', { istio: 'ingressgateway' }],
    ['istio=ingressgateway,app=edge', { istio: 'ingressgateway', app: 'edge' }],
    ['app.kubernetes.io/name=a', { 'app.kubernetes.io/name': 'a' }],
    [' a = 1 , b = 2 ', { a: '1', b: '2' }],
    ['a=', { a: '' }],
    ['a=b=c', { a: 'b=c' }],
    ['a=1,a=2', { a: '2' }],
  ])('%s', (text, labels) => {
    expect(parseLabels(text)).toEqual(labels)
  })

  test('a JavaScript name is a label like others', () => {
    const labels = parseLabels('__proto__=x')
    expect(Object.keys(labels)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(labels)).toBe(Object.prototype)
  })

  test.each(['', 'istio', '=x', ' =x', 'a=1,', ',a=1', 'a=1,b'])('%j is refused', (text) => {
    expectUsageError('--labels', () => parseLabels(text))
  })
})

describe('port mappings', () => {
  test.each([
    ['80=8080', [80, { host: null, port: 8080 }]],
    ['443=127.0.0.1:0', [443, { host: '127.0.0.1', port: 0 }]],
    ['65535=[::1]:1', [65535, { host: '::1', port: 1 }]],
  ] as const)('%s', (text, mapping) => {
    expect(parseListen(text)).toEqual(mapping)
  })

  test.each([
    '',
    '80',
    '=80',
    '80=',
    '0=80',
    '65536=80',
    '-1=80',
    '0x50=80',
    '1e2=80',
    ' 80=80',
    '80=http',
    '80=70000',
    '80:8080',
  ])('%j is refused', (text) => {
    expectUsageError('--listen', () => parseListen(text))
  })
})

describe('addresses', () => {
  test('an address, or off where that is possible', () => {
    expect(parseAddress('--egress', '127.0.0.1:80')).toEqual({ host: '127.0.0.1', port: 80 })
    expect(parseOptionalAddress('--admin', 'off')).toBeNull()
    expect(parseOptionalAddress('--admin', '0')).toEqual({ host: null, port: 0 })
  })

  test.each(['', 'OFF', 'none', '127.0.0.1'])(
    '%j is refused with the flag it came from',
    (text) => {
      expectUsageError('--admin', () => parseOptionalAddress('--admin', text))
    },
  )

  test('off is no egress address', () => {
    expectUsageError('--egress', () => parseAddress('--egress', 'off'))
  })
})

describe('other values', () => {
  test.each([
    ['45s', 45_000],
    ['1m30s', 90_000],
    ['100ms', 100],
    ['0s', 0],
  ])('duration %s', (text, ms) => {
    expect(parseDurationFlag('--drain-timeout', text)).toBe(ms)
  })

  test.each(['', '45', 's', '-1s', '1d', '1 s'])('%j is no duration', (text) => {
    expectUsageError('--drain-timeout', () => parseDurationFlag('--drain-timeout', text))
  })

  test('a choice lists what there is', () => {
    expect(parseChoice('-o', 'json', ['table', 'json'])).toBe('json')
    const error = expectUsageError('-o', () => parseChoice('-o', 'JSON', ['table', 'json']))
    expect(error.hint).toContain('table, json')
  })

  test.each(['10.0.0.0/8', '127.0.0.1', '::1', 'fd00::/8'])('block %s', (text) => {
    expect(parseBlock('--egress-allow', text)).toBe(text)
  })

  test.each(['', 'localhost', '10.0.0.0/33', '10.0.0/8'])('%j is no block', (text) => {
    expectUsageError('--egress-allow', () => parseBlock('--egress-allow', text))
  })

  test.each(['10.96.0.10', '127.0.0.1:5353', '[::1]:53', '::1', 'dns.internal', 'dns.internal:53'])(
    'resolver %s',
    (text) => {
      expect(parseResolver(text)).toBe(text)
    },
  )

  test.each(['', 'a b', ':53', '127.0.0.1:http', '127.0.0.1:99999', '127.0.0.1:0'])(
    '%j is no resolver',
    (text) => {
      expectUsageError('--resolver', () => parseResolver(text))
    },
  )

  test.each(['redis://127.0.0.1:6379', 'rediss://user:secret@redis.test/2'])('%s', (text) => {
    expect(parseRedisUrl(text)).toBe(text)
  })

  test.each(['', 'redis', 'http://user:secret@redis.test', 'redis://'])(
    '%j is no Redis, and its password is not repeated',
    (text) => {
      const error = expectUsageError('--redis', () => parseRedisUrl(text))
      expect(`${error.message} ${error.hint}`).not.toContain('secret')
    },
  )
})
