import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { type RedisServer, startRedis } from './redis.ts'
import { waitFor } from './wait.ts'

const SLOTS = 16384
const READY_TIMEOUT_MS = 20_000
const DOWN_AFTER_MS = 400

/** One command on a connection of its own. */
export async function redisCommand<T>(
  { port }: { readonly port: number },
  command: (client: Redis) => Promise<T>,
): Promise<T> {
  const client = new Redis(port, '127.0.0.1', { protocol: 2, retryStrategy: () => null })
  client.on('error', () => {})
  try {
    return await command(client)
  } finally {
    client.disconnect()
  }
}

export interface RedisCluster extends AsyncDisposable {
  readonly nodes: readonly RedisServer[]
  readonly url: string
}

/** Three primaries with a third of the slots each. */
export async function startRedisCluster(): Promise<RedisCluster> {
  await using stack = new AsyncDisposableStack()
  const nodes: RedisServer[] = []
  for (let i = 0; i < 3; i++) {
    const folder = await temporaryFolder(stack)
    const settings = ['--cluster-enabled', 'yes', '--dir', folder]
    nodes.push(stack.use(await startRedis({ settings })))
  }
  const [first, ...others] = nodes
  for (const [index, node] of nodes.entries()) {
    const from = Math.ceil((index * SLOTS) / nodes.length)
    const to = Math.ceil(((index + 1) * SLOTS) / nodes.length) - 1
    await redisCommand(node, async (client) => {
      // Equal epochs are told apart later, by raising one: whoever is raised after a slot has
      // moved takes it back.
      await client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)
      await client.call('CLUSTER', 'ADDSLOTSRANGE', from, to)
    })
  }
  for (const node of others) {
    await redisCommand(node, (client) => client.call('CLUSTER', 'MEET', '127.0.0.1', first!.port))
  }
  for (const node of nodes) {
    await waitFor(
      'the cluster',
      () =>
        redisCommand(node, async (client) => {
          const info = String(await client.call('CLUSTER', 'INFO'))
          return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:3')
        }),
      READY_TIMEOUT_MS,
    )
  }
  const owned = stack.move()
  const hosts = nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')
  return {
    nodes,
    url: `redis-cluster://${hosts}`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export interface RedisSentinels extends AsyncDisposable {
  readonly primary: RedisServer
  readonly replica: RedisServer
  readonly url: string
  /** Port of what the sentinel takes for the primary. */
  primaryPort(): Promise<number>
}

/** A primary, its replica, and one sentinel that promotes the replica within a second or two. */
export async function startRedisSentinels(): Promise<RedisSentinels> {
  await using stack = new AsyncDisposableStack()
  const primary = stack.use(await startRedis())
  const folder = await temporaryFolder(stack)
  const replica = stack.use(
    await startRedis({
      settings: ['--replicaof', `127.0.0.1 ${primary.port}`, '--repl-diskless-sync-delay', '0'],
    }),
  )
  await waitFor(
    'replication',
    () =>
      redisCommand(replica, async (client) =>
        (await client.info('replication')).includes('master_link_status:up'),
      ),
    READY_TIMEOUT_MS,
  )
  const file = join(folder, 'sentinel.conf')
  await writeFile(
    file,
    [
      `sentinel monitor limits 127.0.0.1 ${primary.port} 1`,
      `sentinel down-after-milliseconds limits ${DOWN_AFTER_MS}`,
      'sentinel failover-timeout limits 3000',
      '',
    ].join('\n'),
  )
  const sentinel = stack.use(await startRedis({ sentinelFile: file }))
  const seen = (): Promise<boolean> =>
    redisCommand(sentinel, async (client) => {
      const replicas = (await client.call('SENTINEL', 'REPLICAS', 'limits')) as string[]
      return replicas.length === 1
    })
  await waitFor('the sentinel to see the replica', seen, READY_TIMEOUT_MS)
  const owned = stack.move()
  return {
    primary,
    replica,
    url: `redis-sentinel://127.0.0.1:${sentinel.port}/limits`,
    primaryPort: () =>
      redisCommand(sentinel, async (client) => {
        const address = await client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'limits')
        return Number((address as string[])[1])
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function temporaryFolder(stack: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-redis-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  return folder
}
