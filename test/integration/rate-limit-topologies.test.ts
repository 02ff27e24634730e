import { expect, test } from 'vitest'
import { EACH, TOGETHER } from '../../plugins/rate-limit/counter-store.ts'
import { FIXED_WINDOW, GCRA, type Quota } from '../../plugins/rate-limit/limit-check.ts'
import { RedisStore } from '../../plugins/rate-limit/redis-store.ts'
import { countRequest } from '../support/counted-requests.ts'
import {
  redisCommand,
  startRedisCluster,
  startRedisSentinels,
} from '../support/redis-topologies.ts'
import { startRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait.ts'

const YEAR_MS = 31_536_000_000
const LONG_MS = 30_000

function quota(limit: number, algorithm: Quota['algorithm'] = FIXED_WINDOW): Quota {
  return { algorithm, limit, periodMs: YEAR_MS, burst: limit }
}

interface OpenStore extends AsyncDisposable {
  readonly store: RedisStore
  readonly log: string[]
}

async function connected(url: string): Promise<OpenStore> {
  const log: string[] = []
  const store = new RedisStore(url, (_level, message) => log.push(message))
  await waitFor('the connection', () => store.status().available, 10_000)
  return { store, log, [Symbol.asyncDispose]: () => store.close() }
}

test(
  'a cluster: limits of one request on different nodes are charged together or not at all',
  async () => {
    await using cluster = await startRedisCluster()
    await using one = await connected(cluster.url)
    await using two = await connected(cluster.url)
    const limits = Array.from({ length: 12 }, (_, index) => ({
      key: `limit ${index}`,
      quota: quota(index === 7 ? 9 : 20, index % 2 === 0 ? GCRA : FIXED_WINDOW),
    }))
    const seen = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        countRequest(index % 2 === 0 ? one.store : two.store, limits, { charge: TOGETHER }),
      ),
    )
    // While a refused request waits for its refund others may be denied, never admitted in excess.
    const admitted = seen.filter(({ result }) => result === 'admitted').length
    expect(admitted).toBeLessThanOrEqual(9)
    expect(seen.filter(({ result }) => result === 'failed')).toEqual([])
    // Refused requests left no trace: every other limit has exactly the rest.
    const others = limits.filter((_, index) => index !== 7)
    await waitFor('the refunds', async () => {
      const peek = others.map((limit) => ({ ...limit, cost: 0 }))
      const { checks } = await countRequest(one.store, peek)
      return checks.every(({ remaining }) => remaining === 20 - admitted)
    })
    const { trips, checks } = one.store.status().redis!
    expect(checks / trips).toBeGreaterThan(10)
  },
  LONG_MS,
)

test(
  'a cluster: single limits are exact among gateways, and a slot that moves is followed',
  async () => {
    await using cluster = await startRedisCluster()
    await using one = await connected(cluster.url)
    await using two = await connected(cluster.url)
    const [first, second] = cluster.nodes
    const limits = [{ key: '{tag}moving', quota: quota(30) }]
    const flood = (): Promise<string[]> =>
      Promise.all(
        Array.from({ length: 20 }, async (_, index) => {
          const store = index % 2 === 0 ? one.store : two.store
          return (await countRequest(store, limits, { charge: EACH })).result
        }),
      )
    expect((await flood()).every((result) => result === 'admitted')).toBe(true)
    const slot = await redisCommand(first!, (client) => client.cluster('KEYSLOT', '{tag}'))
    const ids = await Promise.all(
      cluster.nodes.map((node) =>
        redisCommand(node, async (client) => String(await client.call('CLUSTER', 'MYID'))),
      ),
    )
    const from = cluster.nodes[Math.floor(Number(slot) / Math.ceil(16384 / 3))]!
    const to = from === first ? second! : first!
    const owner = ids[cluster.nodes.indexOf(to)]!
    const former = ids[cluster.nodes.indexOf(from)]!
    await redisCommand(to, (client) => client.cluster('SETSLOT', Number(slot), 'IMPORTING', former))
    await redisCommand(from, (client) =>
      client.cluster('SETSLOT', Number(slot), 'MIGRATING', owner),
    )
    await redisCommand(from, (client) =>
      client.call('MIGRATE', '127.0.0.1', to.port, 'tidegate:rl:{tag}moving', 0, 1000),
    )
    for (const node of [to, from]) {
      await redisCommand(node, (client) => client.cluster('SETSLOT', Number(slot), 'NODE', owner))
    }
    await waitFor('the new owner', () =>
      redisCommand(to, async (client) => (await client.exists('tidegate:rl:{tag}moving')) === 1),
    )
    const later = await flood()
    expect(later.filter((result) => result === 'admitted')).toHaveLength(10)
    expect(later.filter((result) => result === 'failed')).toHaveLength(0)
  },
  LONG_MS,
)

test(
  'a cluster that loses a node holds nobody up, and the other nodes go on counting',
  async () => {
    await using cluster = await startRedisCluster()
    for (const node of cluster.nodes) {
      await redisCommand(node, (client) =>
        client.config('SET', 'cluster-require-full-coverage', 'no'),
      )
    }
    await using one = await connected(cluster.url)
    await cluster.nodes[2]!.stop()
    let counted = 0
    for (let i = 0; i < 60; i++) {
      const limits = [{ key: `key ${i}`, quota: quota(5) }]
      const began = performance.now()
      const { result } = await countRequest(one.store, limits, { timeoutMs: 100 })
      expect(performance.now() - began).toBeLessThan(2500)
      if (result === 'admitted') counted++
    }
    expect(counted).toBeGreaterThan(10)
  },
  LONG_MS,
)

test('sentinels: after a failover counting goes on at the new primary without a restart', async () => {
  await using sentinels = await startRedisSentinels()
  await using gateway = await connected(sentinels.url)
  const ask = (): Promise<string> =>
    countRequest(gateway.store, [{ key: 'shared', quota: quota(1000) }], { timeoutMs: 50 }).then(
      ({ result }) => result,
    )
  expect(await ask()).toBe('admitted')
  await waitFor('replication', () =>
    redisCommand(
      sentinels.replica,
      async (client) => (await client.get('tidegate:rl:shared')) === '1',
    ),
  )
  sentinels.primary.freeze()
  try {
    await waitFor(
      'the failover',
      async () => {
        const began = performance.now()
        await ask()
        expect(performance.now() - began).toBeLessThan(2500)
        return (await sentinels.primaryPort()) === sentinels.replica.port
      },
      20_000,
    )
    await waitFor('counting at the new primary', async () => (await ask()) === 'admitted', 15_000)
  } finally {
    sentinels.primary.thaw()
  }
  const count = await redisCommand(sentinels.replica, (client) => client.get('tidegate:rl:shared'))
  expect(Number(count)).toBeGreaterThan(1)
}, 60_000)

test(
  'a primary that became a replica answers READONLY: nothing is counted twice, nobody waits',
  async () => {
    await using old = await startRedis()
    await using other = await startRedis()
    await using gateway = await connected(old.url)
    const limits = [{ key: 'demoted', quota: quota(100) }]
    expect((await countRequest(gateway.store, limits)).result).toBe('admitted')
    await redisCommand(old, (client) => client.replicaof('127.0.0.1', other.port))
    const { result } = await countRequest(gateway.store, limits, { timeoutMs: 1000 })
    expect(result).toBe('failed')
    await redisCommand(old, (client) => client.replicaof('NO', 'ONE'))
    await waitFor(
      'the promotion',
      async () => (await countRequest(gateway.store, limits)).result === 'admitted',
      15_000,
    )
  },
  LONG_MS,
)

test('an ACL user that may touch only the prefix is enough', async () => {
  await using redis = await startRedis()
  const acl = ['on', '>s3cr%t/', '~edge:*', '-@all', '+eval', '+evalsha', '+info', '+select']
  const commands = ['+time', '+get', '+incrby', '+pexpireat', '+pttl', '+del', '+client']
  const beats = ['+zadd', '+zrem', '+zrange', '+zremrangebyscore', '+pexpire']
  await redisCommand(redis, (client) =>
    client.call('ACL', 'SETUSER', 'limiter', ...acl, ...commands, ...beats),
  )
  const url = `redis://limiter:s3cr%25t%2F@127.0.0.1:${redis.port}/0?prefix=edge:`
  await using gateway = await connected(url)
  expect((await countRequest(gateway.store, [{ key: 'a', quota: quota(2) }])).result).toBe(
    'admitted',
  )
  const keys = await redisCommand(redis, (client) => client.keys('*'))
  expect(keys.sort()).toEqual(['edge:a', 'edge:replicas'])
  expect(gateway.log.join()).not.toContain('s3cr')
})

test(
  'replicas know of each other and of their end',
  async () => {
    await using redis = await startRedis()
    await using one = await connected(redis.url)
    {
      await using two = await connected(redis.url)
      for (const { store } of [one, two]) {
        await waitFor('both', () => store.share.replicas === 2, 10_000)
      }
      expect([one.store.share.rank, two.store.share.rank].sort()).toEqual([0, 1])
    }
    await waitFor('the departure', () => one.store.share.replicas === 1, 10_000)
  },
  LONG_MS,
)
