import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectScripts } from '../../plugins/rate-limit/redis-scripts.ts'
import { parseRedisUrl } from '../../plugins/rate-limit/topology.ts'
import type { AcmeStore, StoredCertificate, StoredChallenge } from '../../src/acme/acme-store.ts'
import { FolderStore } from '../../src/acme/folder-store.ts'
import { RedisStore } from '../../src/acme/redis-store.ts'
import { SecretText } from '../../src/base/secret-text.ts'
import { TemporaryFolder } from '../support/folder.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait.ts'

let redis: RedisServer
let folder: TemporaryFolder

beforeAll(async () => {
  redis = await startRedis()
  folder = new TemporaryFolder()
})

afterAll(async () => {
  await redis.stop()
  folder[Symbol.dispose]()
})

const stores: Record<string, () => AcmeStore> = {
  folder: () => new FolderStore(folder.path, Date.now),
  redis: () => {
    const topology = parseRedisUrl(redis.url)
    return new RedisStore(
      connectScripts(topology, 'tidegate-acme', () => undefined),
      topology.prefix,
    )
  },
}

const LEASE_MS = 60_000

function record(text: string): StoredCertificate {
  const pair = { certificate: `certificate ${text}`, key: `key ${text}` }
  return { pair, failures: 2, nextAttemptAtMs: 123, error: `error ${text}` }
}

function challenge(token: string): StoredChallenge {
  return {
    token,
    host: 'a.test',
    keyAuthorization: `${token}.print`,
    expiresAtMs: Date.now() + LEASE_MS,
    handshake: { certificate: 'c', key: new SecretText('k') },
  }
}

describe.each(Object.keys(stores))('%s', (kind) => {
  /** Two replicas. */
  async function withTwo(use: (a: AcmeStore, b: AcmeStore) => Promise<void>): Promise<void> {
    const [a, b] = [stores[kind]!(), stores[kind]!()]
    try {
      await use(a, b)
    } finally {
      await a.close()
      await b.close()
    }
  }

  test('a lock is held by one until it is released', () =>
    withTwo(async (a, b) => {
      const first = await a.lock('held', LEASE_MS)
      expect(first).not.toBeNull()
      expect(await b.lock('held', LEASE_MS)).toBeNull()
      expect(await b.lock('other', LEASE_MS)).not.toBeNull()
      expect(await first!.extend(LEASE_MS)).toBe(true)
      await first!.release()
      expect(await b.lock('held', LEASE_MS)).not.toBeNull()
      expect(await first!.extend(LEASE_MS)).toBe(false)
    }))

  test('a lock that ran out may be taken over; its old holder writes and releases nothing', () =>
    withTwo(async (a, b) => {
      const late = await a.lock('late', 1)
      const next = await waitFor('the lease to end', () => b.lock('late', LEASE_MS))
      expect(await late!.save(record('late'))).toBe(false)
      expect(await late!.extend(LEASE_MS)).toBe(false)
      await late!.release()
      expect(await a.lock('late', LEASE_MS)).toBeNull()
      expect(await next.save(record('next'))).toBe(true)
      expect(await a.read(['late', 'unknown'])).toEqual([record('next'), null])
    }))

  test('of many that want a lock at once one gets it, also when it ran out', () =>
    withTwo(async (a, b) => {
      await a.lock('rush', 1)
      const taken = await waitFor('the lease to end', async () => {
        const all = await Promise.all(
          Array.from({ length: 20 }, (_, index) =>
            (index % 2 === 0 ? a : b).lock('rush', LEASE_MS),
          ),
        )
        const locks = all.filter((lock) => lock !== null)
        return locks.length === 0 ? null : locks
      })
      expect(taken).toHaveLength(1)
    }))

  test('certificates that are saved change the revision for everybody', () =>
    withTwo(async (a, b) => {
      const before = await b.glance()
      expect((await b.glance()).revision).toBe(before.revision)
      const lock = await a.lock('rev', LEASE_MS)
      await lock!.save(record('1'))
      expect((await b.glance()).revision).not.toBe(before.revision)
      await lock!.save({ ...record('2'), pair: null })
      expect(await b.read(['rev'])).toEqual([{ ...record('2'), pair: null }])
    }))

  test('the first account key wins', () =>
    withTwo(async (a, b) => {
      const keys = await Promise.all(
        [a, b, a, b].map((store, index) =>
          store.accountKey('account', () => Promise.resolve(`key ${index}`)),
        ),
      )
      expect(new Set(keys).size).toBe(1)
      expect(await b.accountKey('account', () => Promise.reject(new Error('no')))).toBe(keys[0])
    }))

  test('challenges are seen by everybody until they are withdrawn', () =>
    withTwo(async (a, b) => {
      await a.present(challenge('t-1'))
      await a.present(challenge('t-2'))
      const tokens = async (): Promise<readonly string[]> =>
        (await b.glance()).challenges.map(({ token }) => token).toSorted()
      await waitFor('both', async () => (await tokens()).length === 2)
      const [seen] = (await b.glance()).challenges
      expect(seen?.handshake?.key.reveal()).toBe('k')
      await a.withdraw('t-1')
      await waitFor('one', async () => (await tokens()).join() === 't-2')
      await a.withdraw('t-2')
      await waitFor('none', async () => (await tokens()).length === 0)
    }))
})

describe('the folder', () => {
  test('tokens do not lead out of it', async () => {
    using own = new TemporaryFolder()
    const store = new FolderStore(own.join('acme'), Date.now)
    await store.present({ ...challenge('x'), token: '../../../escaped' })
    await store.present({ ...challenge('x'), token: '..' })
    expect(readdirSync(own.path)).toEqual(['acme'])
    expect(readdirSync(own.join('acme/challenges'))).toHaveLength(2)
  })

  test('challenges of a process that is gone are taken away when their time is over', async () => {
    using own = new TemporaryFolder()
    const store = new FolderStore(own.path, Date.now)
    await store.present({ ...challenge('old'), expiresAtMs: Date.now() - 1 })
    expect((await store.glance()).challenges).toEqual([])
    expect(readdirSync(own.join('challenges'))).toEqual([])
  })

  test('what cannot be read counts as absent', async () => {
    using own = new TemporaryFolder()
    const store = new FolderStore(own.path, Date.now)
    await store.glance()
    writeFileSync(own.join('certificates/a.json'), '{"pair":')
    writeFileSync(own.join('certificates/b.json'), '[]')
    expect(await store.read(['a', 'b', 'c'])).toEqual([null, null, null])
  })

  test('files and folders are for their owner only, and no temporary file stays', async () => {
    using own = new TemporaryFolder()
    const root = own.join('acme')
    const store = new FolderStore(root, Date.now)
    await store.accountKey('account', () => Promise.resolve('key'))
    await store.present(challenge('t'))
    const lock = await store.lock('id', LEASE_MS)
    await lock!.extend(LEASE_MS)
    await lock!.save(record('x'))
    const modes = readdirSync(root, { recursive: true, encoding: 'utf8' }).map((name) => {
      const stat = statSync(join(root, name))
      return `${name} ${(stat.mode & 0o777).toString(8)}`
    })
    expect(modes.toSorted()).toEqual([
      'accounts 700',
      'accounts/account.pem 600',
      'certificates 700',
      'certificates/id.json 600',
      'challenges 700',
      'challenges/t 600',
      'locks 700',
      'locks/id 600',
    ])
    expect(readFileSync(join(root, 'accounts/account.pem'), 'utf8')).toBe('key')
  })
})
