import { randomUUID } from 'node:crypto'
import {
  type AcmeStore,
  MAX_CHALLENGES,
  type OrderLock,
  type StoredCertificate,
  type StoredChallenge,
  type StoreGlance,
} from './acme-store.ts'
import { certificateText, challengeText, parseCertificate, parseChallenge } from './stored-text.ts'

/** Scripts on the server, each whole or not at all. */
export interface RedisScripts {
  /** For people, without credentials. */
  readonly server: string
  run(script: string, keys: readonly string[], args: readonly string[]): Promise<unknown>
  close(): Promise<void>
}

/** A challenge that nobody took away is gone after this time at the latest. */
const CHALLENGES_LIFETIME_MS = 60 * 60 * 1000

const GLANCE = `return {redis.call('GET', KEYS[1]) or '0', redis.call('HVALS', KEYS[2])}`
const READ = `return redis.call('MGET', unpack(KEYS))`
const LOCK = `return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0`
const EXTEND = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`
const SAVE = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
redis.call('SET', KEYS[3], ARGV[3])
return 1`
const RELEASE = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`
const ACCOUNT = `redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])`
const PEEK = `return redis.call('GET', KEYS[1])`
const PRESENT = `redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[3])`
const WITHDRAW = `return redis.call('HDEL', KEYS[1], ARGV[1])`

/** Keys in one MGET. */
const READ_BATCH = 100

/**
 * Redis, shared by all replicas. Locks expire by the server's clock, and what is saved is saved only
 * while the lock is still held: a replica that was away too long overwrites nothing.
 */
export class RedisStore implements AcmeStore {
  readonly name: string
  readonly #scripts: RedisScripts
  readonly #prefix: string

  /** The braces keep all keys in one slot of a cluster. */
  constructor(scripts: RedisScripts, prefix: string) {
    this.name = scripts.server
    this.#scripts = scripts
    this.#prefix = `{${prefix}acme}:`
  }

  async glance(): Promise<StoreGlance> {
    const keys = [this.#key('revision'), this.#key('challenges')]
    const answer = await this.#scripts.run(GLANCE, keys, [])
    const [revision, challenges] = Array.isArray(answer) ? (answer as unknown[]) : []
    return {
      revision: String(revision),
      challenges: texts(challenges)
        .slice(0, MAX_CHALLENGES)
        .flatMap((text) => parseChallenge(text ?? '') ?? []),
    }
  }

  async read(ids: readonly string[]): Promise<readonly (StoredCertificate | null)[]> {
    const found: (StoredCertificate | null)[] = []
    for (let start = 0; start < ids.length; start += READ_BATCH) {
      const keys = ids.slice(start, start + READ_BATCH).map((id) => this.#key('certificate', id))
      const values = texts(await this.#scripts.run(READ, keys, []))
      for (const index of keys.keys()) {
        const text = values[index] ?? null
        found.push(text === null ? null : parseCertificate(text))
      }
    }
    return found
  }

  async lock(id: string, leaseMs: number): Promise<OrderLock | null> {
    const key = this.#key('lock', id)
    const token = randomUUID()
    const scripts = this.#scripts
    const taken = await scripts.run(LOCK, [key], [token, String(leaseMs)])
    if (taken !== 1) return null
    return {
      extend: async (ms) => (await scripts.run(EXTEND, [key], [token, String(ms)])) === 1,
      save: async (record) => {
        const keys = [key, this.#key('certificate', id), this.#key('revision')]
        const args = [token, certificateText(record), randomUUID()]
        return (await scripts.run(SAVE, keys, args)) === 1
      },
      release: async () => {
        await scripts.run(RELEASE, [key], [token])
      },
    }
  }

  async accountKey(id: string, create: () => Promise<string>): Promise<string> {
    const key = this.#key('account', id)
    const known = await this.#scripts.run(PEEK, [key], [])
    if (typeof known === 'string') return known
    return String(await this.#scripts.run(ACCOUNT, [key], [await create()]))
  }

  async present(challenge: StoredChallenge): Promise<void> {
    const args = [challenge.token, challengeText(challenge), String(CHALLENGES_LIFETIME_MS)]
    await this.#scripts.run(PRESENT, [this.#key('challenges')], args)
  }

  async withdraw(token: string): Promise<void> {
    await this.#scripts.run(WITHDRAW, [this.#key('challenges')], [token])
  }

  close(): Promise<void> {
    return this.#scripts.close()
  }

  #key(...parts: readonly string[]): string {
    return this.#prefix + parts.join(':')
  }
}

function texts(value: unknown): readonly (string | null)[] {
  if (!Array.isArray(value)) return []
  return value.map((one: unknown) => (typeof one === 'string' ? one : null))
}
