import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { describeTopology, parseRedisUrl, type RedisTopology } from './topology.ts'

/** `host:port` of a Redis URL, which may hold a password. Throws on anything that cannot work. */
export function redisServer(redisUrl: string): string {
  const topology = parseRedisUrl(redisUrl)
  redisTls(topology)
  return describeTopology(topology)
}

/** Throws when the file with the authorities cannot be read. */
export function redisTls({ caFile }: RedisTopology): ConnectionOptions {
  if (caFile === null) return {}
  try {
    return { ca: readFileSync(caFile) }
  } catch (error) {
    throw new Error(`the file that ca= in the Redis URL names cannot be read: ${caFile}`, {
      cause: error,
    })
  }
}
