import { expect, test } from 'vitest'
import { redisSlot } from './redis-slot.ts'
import { describeTopology, parseRedisUrl, type RedisTopology } from './topology.ts'

const accepted: readonly (readonly [string, Partial<RedisTopology>, string])[] = [
  [
    'redis://cache',
    { kind: 'single', tls: false, database: 0, prefix: 'tidegate:rl:', password: null },
    'cache:6379',
  ],
  [
    'rediss://limiter:p%40ss%3A@[fd00::7]:7000/3?ca=/etc/ca.pem&prefix=edge:',
    {
      tls: true,
      username: 'limiter',
      password: 'p@ss:',
      database: 3,
      caFile: '/etc/ca.pem',
      prefix: 'edge:',
    },
    '[fd00::7]:7000',
  ],
  ['redis://:secret@cache', { username: null, password: 'secret' }, 'cache:6379'],
  ['valkey://cache', { kind: 'single', tls: false }, 'cache:6379'],
  ['valkeys://cache', { kind: 'single', tls: true }, 'cache:6379'],
  [
    'redis-sentinel://a,b:1234/main/2?sentinelPassword=s',
    { kind: 'sentinel', master: 'main', database: 2, sentinelPassword: 's' },
    'a:26379,b:1234 (sentinels of main)',
  ],
  ['rediss+sentinel://a/main', { kind: 'sentinel', tls: true }, 'a:26379 (sentinels of main)'],
  ['redis-cluster://a,b:7,c', { kind: 'cluster', tls: false }, 'a:6379,b:7,c:6379 (cluster)'],
  [
    'rediss+cluster://user:pw@a',
    { kind: 'cluster', tls: true, password: 'pw' },
    'a:6379 (cluster)',
  ],
  ['valkey-cluster://a', { kind: 'cluster' }, 'a:6379 (cluster)'],
  [
    'redis://cache?keys=envoy',
    { envoyKeys: true, envoyPrefix: '', prefix: 'tidegate:rl:' },
    'cache:6379',
  ],
  ['redis://cache?keys=envoy&prefix=rl_', { envoyPrefix: 'rl_', prefix: 'rl_' }, 'cache:6379'],
]

test.each(accepted)('%s', (url, expected, shown) => {
  const topology = parseRedisUrl(url)
  expect(topology).toMatchObject(expected)
  expect(describeTopology(topology)).toBe(shown)
})

test.each([
  ['http://user:hidden@host', /redis:\/\//],
  ['redis://', /redis:\/\//],
  ['redis://user:hidden@a,b', /several hosts/],
  ['redis://user:hidden@host:99999', /host/],
  ['redis://user:hidden@host:port', /host/],
  ['redis://user:hid%den@host', /percent-encoded/],
  ['redis://user:hidden@host/text', /database/],
  ['redis://user:hidden@host?prefx=a', /unknown parameter "prefx"/],
  ['redis://user:hidden@host?keys=mine', /envoy/],
  ['redis://user:hidden@host?ca=/ca.pem', /rediss/],
  ['redis-sentinel://user:hidden@host', /name of the primary/],
  ['redis-cluster://user:hidden@host/1', /database 0/],
])('%s is refused, its password unsaid', (url, message) => {
  expect(() => parseRedisUrl(url)).toThrow(message)
  expect(() => parseRedisUrl(url)).not.toThrow(/hid/)
})

test.each([
  // The values that CLUSTER KEYSLOT gives.
  ['123456789', 12739],
  ['foo', 12182],
  ['{foo}.bar', 12182],
  ['x{foo}{bar}', 12182],
  ['', 0],
])('%s lives in slot %i', (key, slot) => {
  expect(redisSlot(key)).toBe(slot)
})

test('an empty hash tag is none', () => {
  expect(redisSlot('{}foo')).not.toBe(redisSlot('{}bar'))
})
