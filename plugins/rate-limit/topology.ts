import { isIP } from 'node:net'

export interface RedisHost {
  readonly host: string
  readonly port: number
}

/** Where counters are shared, as the Redis URL says. Holds a password: never logged whole. */
export interface RedisTopology {
  /** One server, the primary that sentinels name, or the nodes of a cluster. */
  readonly kind: 'single' | 'sentinel' | 'cluster'
  /** The server, the sentinels, or some nodes. */
  readonly hosts: readonly RedisHost[]
  readonly tls: boolean
  /** `?ca=`: file with the authorities a server certificate may come from; null: the system's. */
  readonly caFile: string | null
  readonly username: string | null
  readonly password: string | null
  /** Sentinels have users of their own: `?sentinelUsername=`, `?sentinelPassword=`. */
  readonly sentinelUsername: string | null
  readonly sentinelPassword: string | null
  readonly database: number
  /** Name of the primary among the sentinels; '' otherwise. */
  readonly master: string
  /** `?prefix=`: what keys begin with. */
  readonly prefix: string
  /** `?keys=envoy`: descriptor limits use the keys of envoyproxy/ratelimit. */
  readonly envoyKeys: boolean
  /** What those begin with: its CACHE_KEY_PREFIX is `?prefix=`, '' unless given. */
  readonly envoyPrefix: string
}

const DEFAULT_PREFIX = 'tidegate:rl:'
const DEFAULT_PORT = 6379
const DEFAULT_SENTINEL_PORT = 26379

const FORMS =
  'write redis://[user:password@]host[:port][/database], rediss:// for TLS, ' +
  'redis-sentinel://host:port,host:port/master or redis-cluster://host:port,host:port'

const KINDS = { '': 'single', sentinel: 'sentinel', cluster: 'cluster' } as const

const URL_FORM =
  /^(redis|valkey)(s?)(?:[-+](sentinel|cluster))?:\/\/(?:([^/@?#]*)@)?([^/@?#]+)(\/[^?#]*)?(?:\?([^#]*))?$/

const PARAMETERS = ['prefix', 'keys', 'ca', 'sentinelUsername', 'sentinelPassword'] as const

/** Throws with what is wrong, never repeating user or password. */
export function parseRedisUrl(text: string): RedisTopology {
  const match = URL_FORM.exec(text)
  if (match === null) throw new Error(`the Redis URL is none: ${FORMS}`)
  const [, , tls = '', form = '', credentials, hosts = '', path = '', query = ''] = match
  const kind = KINDS[form as keyof typeof KINDS]
  const parameters = readParameters(query)
  const port = kind === 'sentinel' ? DEFAULT_SENTINEL_PORT : DEFAULT_PORT
  const list = hosts.split(',').map((host) => parseHost(host, port))
  if (kind === 'single' && list.length > 1) {
    throw new Error(`a Redis URL of one server names several hosts: ${FORMS}`)
  }
  const [username, password] = readCredentials(credentials)
  const ca = parameters.get('ca') ?? null
  if (ca !== null && tls === '') {
    throw new Error('ca= in the Redis URL has a meaning with TLS only: begin it with rediss')
  }
  return {
    kind,
    hosts: list,
    tls: tls !== '',
    caFile: ca,
    username,
    password,
    sentinelUsername: parameters.get('sentinelUsername') ?? null,
    sentinelPassword: parameters.get('sentinelPassword') ?? null,
    ...readPath(kind, path),
    ...readKeys(parameters),
  }
}

/** What may be shown of it. */
export function describeTopology({ kind, hosts, master }: RedisTopology): string {
  const list = hosts
    .map(({ host, port }) => `${isIP(host) === 6 ? `[${host}]` : host}:${port}`)
    .join(',')
  if (kind === 'single') return list
  return kind === 'sentinel' ? `${list} (sentinels of ${master})` : `${list} (cluster)`
}

function readParameters(query: string): URLSearchParams {
  const parameters = new URLSearchParams(query)
  for (const name of parameters.keys()) {
    if (!PARAMETERS.some((known) => known === name)) {
      throw new Error(
        `the Redis URL has an unknown parameter "${name}": known are ${PARAMETERS.join(', ')}`,
      )
    }
  }
  return parameters
}

function parseHost(text: string, defaultPort: number): RedisHost {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(text)
  const host = match?.[1] ?? match?.[2] ?? ''
  const port = match?.[3] === undefined ? defaultPort : Number(match[3])
  const isAddress = match?.[1] === undefined || isIP(match[1]) === 6
  if (host === '' || !isAddress || port < 1 || port > 65535) {
    throw new Error(`the Redis URL names a host that is none: ${FORMS}`)
  }
  return { host, port }
}

function readCredentials(text: string | undefined): [string | null, string | null] {
  if (text === undefined) return [null, null]
  const colon = text.indexOf(':')
  try {
    const username = decodeURIComponent(colon < 0 ? text : text.slice(0, colon))
    const password = colon < 0 ? null : decodeURIComponent(text.slice(colon + 1))
    return [username === '' ? null : username, password]
  } catch {
    throw new Error(
      'user or password in the Redis URL is not percent-encoded: write % as %25, @ as %40',
    )
  }
}

function readPath(
  kind: RedisTopology['kind'],
  path: string,
): Pick<RedisTopology, 'database' | 'master'> {
  const parts = path.split('/').filter((part) => part !== '')
  const master = kind === 'sentinel' ? decodeURIComponent(parts.shift() ?? '') : ''
  if (kind === 'sentinel' && master === '') {
    throw new Error('the Redis URL lacks the name of the primary: redis-sentinel://host:port/NAME')
  }
  const [database] = parts
  if (parts.length > 1 || (database !== undefined && !/^\d{1,5}$/.test(database))) {
    throw new Error(`the path of the Redis URL is no database number: ${FORMS}`)
  }
  if (kind === 'cluster' && database !== undefined && Number(database) !== 0) {
    throw new Error('a Redis cluster has only database 0: leave the path of the Redis URL away')
  }
  return { master, database: Number(database ?? 0) }
}

function readKeys(
  parameters: URLSearchParams,
): Pick<RedisTopology, 'prefix' | 'envoyKeys' | 'envoyPrefix'> {
  const keys = parameters.get('keys')
  if (keys !== null && keys !== 'envoy') {
    throw new Error('keys= in the Redis URL takes only "envoy": keys as envoyproxy/ratelimit has')
  }
  const prefix = parameters.get('prefix')
  return {
    envoyKeys: keys === 'envoy',
    prefix: prefix ?? DEFAULT_PREFIX,
    envoyPrefix: prefix ?? '',
  }
}
