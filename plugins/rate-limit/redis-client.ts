import { Cluster, type ClusterOptions, Redis, type RedisOptions, type Result } from 'ioredis'
import { backoffMs } from '../../src/base/backoff.ts'
import { systemRandom } from '../../src/base/random.ts'
import { BATCH_SCRIPT } from './batch-script.ts'
import { HEARTBEAT_SCRIPT } from './heartbeat.ts'
import { redisTls } from './redis-server.ts'
import { redisSlot } from './redis-slot.ts'
import type { RedisTopology } from './topology.ts'

declare module 'ioredis' {
  interface RedisCommander<Context> {
    /** BATCH_SCRIPT: number of keys, the keys, then its arguments. */
    tidegateBatch(keys: number, ...keysAndArguments: (string | number)[]): Result<number[], Context>
    /** HEARTBEAT_SCRIPT: 1, the key, own name, lifetime in milliseconds. */
    tidegateHeartbeat(
      keys: number,
      key: string,
      name: string,
      lifetimeMs: number,
    ): Result<string[], Context>
  }
}

const CONNECT_TIMEOUT_MS = 500
/** A connection with unanswered commands that stays silent this long is given up. */
const SILENCE_LIMIT_MS = 2000
/** A server that does not close its side is not waited for. */
const DISCONNECT_TIMEOUT_MS = 500
const RECONNECT_BASE_MS = 50
const RECONNECT_CAP_MS = 2000
/** A slot that moved was not charged where it is gone: asking again is safe. Two hops are plenty. */
const MAX_REDIRECTIONS = 2
/** How soon a failover in a cluster is seen when nothing redirects. */
const SLOTS_REFRESH_MS = 1000

export interface LinkEvents {
  ready(): void
  lost(): void
  failed(error: Error): void
}

/** A way to the servers that hold the counters. */
export interface RedisLink {
  readonly isReady: boolean
  /** Keys of different slots cannot meet in one call. */
  slotOf(key: string): number
  /** Names the server of a slot: calls to one are one round trip. */
  nodeOf(slot: number): string
  decide(keys: readonly string[], args: readonly (string | number)[]): Promise<readonly number[]>
  /** Deletes keys of one slot; how many there were. */
  remove(keys: readonly string[]): Promise<number>
  /** Names of all that beat on the key lately. */
  heartbeat(key: string, name: string, lifetimeMs: number): Promise<readonly string[]>
  /** Takes a name from the key of heartbeats, without waiting. */
  leave(key: string, name: string): void
  close(): Promise<void>
}

/** Connects at once and keeps trying until closed. */
export function connectRedis(topology: RedisTopology, events: LinkEvents): RedisLink {
  const client = redisClient(topology, 'tidegate-rate-limit')
  client.defineCommand('tidegateBatch', { lua: BATCH_SCRIPT })
  client.defineCommand('tidegateHeartbeat', { lua: HEARTBEAT_SCRIPT })
  const link = new ClientLink(client)
  client.on('ready', () => {
    void link.enter().then(() => events.ready())
  })
  client.on('close', () => {
    link.leaveAll()
    events.lost()
  })
  client.on('error', (error: Error) => events.failed(error))
  return link
}

/**
 * A client that connects at once, queues nothing while it is away and repeats nothing. `name` is
 * what CLIENT LIST shows.
 */
export function redisClient(topology: RedisTopology, name: string): Redis | Cluster {
  return topology.kind === 'cluster'
    ? clusterClient(topology, name)
    : new Redis(serverOptions(topology, name))
}

/** What connections to one server and to those of a cluster have in common. */
type SharedOptions = Omit<NonNullable<ClusterOptions['redisOptions']>, 'replyMapping'>
type ServerOptions = Omit<RedisOptions, 'replyMapping'>

/**
 * Never queues and never repeats: a counting command without an answer may have counted, so it is
 * not sent twice.
 */
function commonOptions(topology: RedisTopology, name: string): SharedOptions {
  return {
    protocol: 2,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_LIMIT_MS,
    connectionName: name,
    // A demoted primary answers READONLY: a new connection may find the new one. Not sent again.
    reconnectOnError: (error) => error.message.includes('READONLY'),
    ...(topology.username === null ? {} : { username: topology.username }),
    ...(topology.password === null ? {} : { password: topology.password }),
    ...(topology.tls ? { tls: redisTls(topology) } : {}),
  }
}

function serverOptions(topology: RedisTopology, name: string): ServerOptions {
  const options: ServerOptions = {
    ...commonOptions(topology, name),
    enableOfflineQueue: false,
    db: topology.database,
    retryStrategy: reconnectDelay,
  }
  if (topology.kind === 'single') return { ...options, ...topology.hosts[0] }
  return {
    ...options,
    sentinels: topology.hosts.map(({ host, port }) => ({ host, port })),
    name: topology.master,
    sentinelRetryStrategy: reconnectDelay,
    // Sentinels tell of a new primary before the old one is known to be silent.
    failoverDetector: true,
    ...(topology.sentinelUsername === null ? {} : { sentinelUsername: topology.sentinelUsername }),
    ...(topology.sentinelPassword === null ? {} : { sentinelPassword: topology.sentinelPassword }),
    ...(topology.tls ? { sentinelTLS: redisTls(topology), enableTLSForSentinelMode: true } : {}),
  }
}

function clusterClient(topology: RedisTopology, name: string): Cluster {
  return new Cluster(
    topology.hosts.map(({ host, port }) => ({ host, port })),
    {
      redisOptions: commonOptions(topology, name),
      enableOfflineQueue: false,
      clusterRetryStrategy: reconnectDelay,
      maxRedirections: MAX_REDIRECTIONS,
      // A command on a connection that broke may have counted; waiting is longer than any budget.
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      retryDelayOnTryAgain: 0,
      slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
      slotsRefreshInterval: SLOTS_REFRESH_MS,
      // Certificates are issued for names: leave them as they are announced.
      ...(topology.tls ? { dnsLookup: (address, answer) => answer(null, address) } : {}),
    },
  )
}

function reconnectDelay(times: number): number {
  return backoffMs(times - 1, RECONNECT_BASE_MS, RECONNECT_CAP_MS, systemRandom)
}

/** Settles in bounded time; a node that cannot be reached keeps trying by itself. */
async function connectNode(node: Redis): Promise<void> {
  if (node.status === 'wait') await node.connect().catch(() => {})
  else if (node.status !== 'ready' && node.status !== 'end') await settled(node)
}

function settled(node: Redis): Promise<void> {
  return new Promise((resolve) => {
    node.once('ready', resolve)
    node.once('close', () => resolve())
    node.once('end', () => resolve())
  })
}

class ClientLink implements RedisLink {
  readonly #client: Redis | Cluster
  readonly #cluster: Cluster | null
  #entered = false

  constructor(client: Redis | Cluster) {
    this.#client = client
    this.#cluster = client instanceof Cluster ? client : null
    this.#cluster?.on('+node', (node: Redis) => void connectNode(node))
  }

  get isReady(): boolean {
    return this.#entered && this.#client.status === 'ready'
  }

  /** Nodes of a cluster are connected when first needed: too late for whoever needs them. */
  async enter(): Promise<void> {
    await Promise.all((this.#cluster?.nodes('master') ?? []).map(connectNode))
    this.#entered = true
  }

  leaveAll(): void {
    this.#entered = false
  }

  slotOf(key: string): number {
    return this.#cluster === null ? 0 : redisSlot(key)
  }

  nodeOf(slot: number): string {
    return this.#cluster?.slots[slot]?.[0] ?? ''
  }

  decide(keys: readonly string[], args: readonly (string | number)[]): Promise<readonly number[]> {
    return this.#client.tidegateBatch(keys.length, ...keys, ...args)
  }

  remove(keys: readonly string[]): Promise<number> {
    return this.#client.del(...keys)
  }

  heartbeat(key: string, name: string, lifetimeMs: number): Promise<readonly string[]> {
    return this.#client.tidegateHeartbeat(1, key, name, lifetimeMs)
  }

  leave(key: string, name: string): void {
    if (this.isReady) this.#client.zrem(key, name).catch(() => {})
  }

  async close(): Promise<void> {
    const client = this.#client
    // Between two connections there is no socket whose end could be waited for.
    const idle = client.status === 'end' || client.status === 'reconnecting'
    const ended = new Promise<void>((resolve) => client.once('end', () => resolve()))
    client.disconnect()
    if (!idle) await ended
  }
}
