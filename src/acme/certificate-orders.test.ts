import { rmSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { TemporaryFolder } from '../../test/support/folder.ts'
import { waitFor } from '../../test/support/wait.ts'
import { PendingChallenges } from '../base/pending-challenges.ts'
import type { AcmeSource } from '../tls/plan.ts'
import { type AcmeTiming, DEFAULT_TIMING } from './acme-settings.ts'
import type { StoredPair } from './acme-store.ts'
import type { CertificateIssuer } from './certificate-issuer.ts'
import { CertificateOrders, MAX_CERTIFICATES, type OrderEvent } from './certificate-orders.ts'
import { FolderStore } from './folder-store.ts'
import { certificateId } from './managed-certificate.ts'

const DIRECTORY = 'https://ca.test/directory'
const HOUR = 60 * 60 * 1000
const authority = Authority.create('Test')

function source(host: string): AcmeSource {
  const name = `acme://${host}`
  return { kind: 'acme', name, host, directory: null, email: null, challenge: 'http-01' }
}

/** Issues when it is told to. */
class TestIssuer implements CertificateIssuer {
  readonly asked: string[] = []
  answer: (host: string) => Promise<StoredPair> = (host) =>
    Promise.resolve(authority.issueEcdsa([host], 90))

  issue({ host }: AcmeSource): Promise<StoredPair> {
    this.asked.push(host)
    return this.answer(host)
  }
}

let folder: TemporaryFolder
let issuer: TestIssuer
let now: number
let events: OrderEvent[]
let opened: CertificateOrders[]

beforeEach(() => {
  folder = new TemporaryFolder()
  issuer = new TestIssuer()
  now = Date.now()
  events = []
  opened = []
})

afterEach(async () => {
  await Promise.all(opened.map((orders) => orders.close()))
  folder[Symbol.dispose]()
})

function ordersFor(hosts: readonly string[], timing: Partial<AcmeTiming> = {}): CertificateOrders {
  const orders = new CertificateOrders({
    store: new FolderStore(folder.path, () => now),
    issuer,
    timing: { ...DEFAULT_TIMING, ...timing },
    directory: DIRECTORY,
    challenges: new PendingChallenges(),
    now: () => now,
    random: () => 0,
    onEvent: (event) => events.push(event),
  })
  opened.push(orders)
  orders.want(hosts.map(source))
  return orders
}

/** Looks once and waits for the orders that this began. */
async function look(orders: CertificateOrders): Promise<void> {
  await orders.look()
  await waitFor('orders to end', () => orders.certificates.every(({ ordering }) => !ordering))
}

test('what is issued is served, and renewed when a third of its life is left', async () => {
  const orders = ordersFor(['a.test'])
  expect(orders.find(source('a.test'))).toBeNull()
  await look(orders)
  const first = orders.find(source('a.test'))
  expect(first?.revision).toBe(1)
  now += 59 * 24 * HOUR
  await look(orders)
  expect(issuer.asked).toHaveLength(1)
  now += 2 * 24 * HOUR
  issuer.answer = (host) => Promise.resolve(authority.issueEcdsa([host], 190))
  await look(orders)
  expect(issuer.asked).toHaveLength(2)
  const second = orders.find(source('a.test'))
  expect(second?.revision).toBe(2)
  expect(second?.certificate).not.toBe(first?.certificate)
})

test('attempts after failures wait twice as long each time, up to the cap', async () => {
  issuer.answer = () => Promise.reject(new Error('the CA says no'))
  const orders = ordersFor(['a.test'], { backoffMs: 1000, backoffCapMs: 5000 })
  const waits: number[] = []
  for (let attempt = 1; attempt <= 5; attempt++) {
    await look(orders)
    const [one] = orders.certificates
    expect(issuer.asked).toHaveLength(attempt)
    expect(one?.failures).toBe(attempt)
    waits.push(one!.nextAttemptAtMs - now)
    now = one!.nextAttemptAtMs - 1
    await look(orders)
    expect(issuer.asked).toHaveLength(attempt)
    now++
  }
  expect(waits).toEqual([1000, 2000, 4000, 5000, 5000])
})

test('no more than four orders run at once', async () => {
  const waiting: (() => void)[] = []
  issuer.answer = (host) =>
    new Promise((resolve) => {
      waiting.push(() => resolve(authority.issueEcdsa([host], 90)))
    })
  const orders = ordersFor(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => `${name}.test`))
  await orders.look()
  await waitFor('four orders', () => issuer.asked.length === 4)
  await orders.look()
  expect(issuer.asked).toHaveLength(4)
  for (const finish of waiting.splice(0)) finish()
  await waitFor('the rest', async () => {
    await orders.look()
    return issuer.asked.length === 6
  })
  for (const finish of waiting) finish()
  await waitFor('all', () => orders.certificates.every(({ issued }) => issued !== null))
})

test('a second process serves what the first was issued, and orders nothing', async () => {
  await look(ordersFor(['a.test']))
  const second = ordersFor(['a.test'])
  await look(second)
  expect(second.find(source('a.test'))).not.toBeNull()
  expect(issuer.asked).toHaveLength(1)
})

test('two that look at the same time: one orders', async () => {
  const all = [ordersFor(['a.test']), ordersFor(['a.test'])]
  await Promise.all(all.map(look))
  now += 6000
  await Promise.all(all.map(look))
  expect(issuer.asked).toHaveLength(1)
  expect(all.every((orders) => orders.find(source('a.test')) !== null)).toBe(true)
})

test('an order whose lock was lost writes nothing over what others wrote', async () => {
  const rival = authority.issueEcdsa(['a.test'], 300)
  issuer.answer = async (host) => {
    const id = certificateId(host, DIRECTORY)
    rmSync(folder.join(`locks/${id}`))
    const lock = await new FolderStore(folder.path, () => now).lock(id, HOUR)
    await lock!.save({ pair: rival, failures: 0, nextAttemptAtMs: 0, error: '' })
    return authority.issueEcdsa([host], 90)
  }
  const orders = ordersFor(['a.test'])
  await look(orders)
  expect([...orders.results]).toEqual([['lost', 1]])
  await look(orders)
  expect(orders.find(source('a.test'))?.certificate).toBe(rival.certificate)
})

test('an order that takes too long has failed', async () => {
  issuer.answer = () => new Promise(() => undefined)
  const orders = ordersFor(['a.test'], { orderTimeoutMs: 30 })
  await look(orders)
  expect(orders.certificates[0]?.error).toBe('the order took longer than 0.03 s')
})

test('the end of the process breaks an order off: no failure, and the lock is free', async () => {
  issuer.answer = () => new Promise(() => undefined)
  const orders = ordersFor(['a.test'])
  await orders.look()
  await waitFor('the order', () => issuer.asked.length === 1)
  await orders.close()
  expect(orders.results.size).toBe(0)
  const store = new FolderStore(folder.path, () => now)
  expect(await store.lock(certificateId('a.test', DIRECTORY), HOUR)).not.toBeNull()
  expect(await store.read([certificateId('a.test', DIRECTORY)])).toEqual([null])
})

const wrong: [what: string, pair: () => StoredPair][] = [
  ['for another host', () => authority.issueEcdsa(['b.test'], 90)],
  ['with the key of another', () => ({ ...authority.issueEcdsa(['a.test']), key: authority.key })],
  ['that is none', () => ({ certificate: 'none', key: 'none' })],
]
test.each(wrong)('a certificate %s is a failure', async (_what, pair) => {
  issuer.answer = () => Promise.resolve(pair())
  const orders = ordersFor(['a.test'])
  await look(orders)
  expect(orders.find(source('a.test'))).toBeNull()
  expect(orders.certificates[0]?.error).toContain('a.test')
  expect([...orders.results]).toEqual([['failed', 1]])
})

test('a certificate that is due as soon as it comes is not ordered in a loop', async () => {
  issuer.answer = (host) => Promise.resolve(authority.issueEcdsa([host], 1 / (24 * 60)))
  const orders = ordersFor(['a.test'], { backoffMs: HOUR })
  for (let round = 0; round < 5; round++) await look(orders)
  expect(issuer.asked).toHaveLength(1)
})

test('a store that lost a certificate gets it back', async () => {
  const orders = ordersFor(['a.test'])
  await look(orders)
  const path = `certificates/${certificateId('a.test', DIRECTORY)}.json`
  await look(orders)
  rmSync(folder.join(path))
  await look(orders)
  const [stored] = await new FolderStore(folder.path, () => now).read([
    certificateId('a.test', DIRECTORY),
  ])
  expect(stored?.pair?.certificate).toBe(orders.find(source('a.test'))?.certificate)
  expect(issuer.asked).toHaveLength(1)
})

test('a store that cannot be used is told once, and when it can be used again', async () => {
  const path = folder.write('file', '')
  const blocked = new FolderStore(path, () => now)
  await expect(blocked.glance()).rejects.toThrow(/EEXIST|ENOTDIR/)
  const orders = ordersFor(['a.test'])
  folder.write('certificates', 'in the way')
  for (let round = 0; round < 3; round++) expect(await orders.load()).toBe(false)
  expect(orders.storeError).not.toBe('')
  rmSync(folder.join('certificates'))
  expect(await orders.load()).toBe(true)
  expect(events.map(({ type }) => type)).toEqual(['store-away', 'store-back'])
})

test('certificates beyond the limit are counted, not ordered', () => {
  const hosts = Array.from({ length: MAX_CERTIFICATES + 7 }, (_, index) => `h${index}.test`)
  const orders = ordersFor(hosts)
  expect(orders.certificates).toHaveLength(MAX_CERTIFICATES)
  expect(orders.dropped).toBe(7)
})
