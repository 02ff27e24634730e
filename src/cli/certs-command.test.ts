import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { certsCommand } from './certs-command.ts'
import { fileName } from './certs-issue.ts'
import { CommandError } from './exit.ts'

let folder = ''
let ca = ''

async function certs(...args: string[]): Promise<unknown> {
  const root = new Command().exitOverride().configureOutput({ outputError: () => undefined })
  return root.addCommand(certsCommand()).parseAsync(['certs', ...args], { from: 'user' })
}

const inFolder = (name: string): string => join(folder, name)
const read = (name: string): string => readFileSync(inFolder(name), 'utf8')

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-certs-'))
  ca = inFolder('ca')
  await certs('init', '--dir', ca)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('tidegate certs issue', () => {
  test.each(['rsa', 'ecdsa'])('--key %s signs names, wildcards and addresses', async (type) => {
    const names = ['shop.test', '*.shop.test', '127.0.0.1', '::1']
    await certs('issue', ...names, '--ca', ca, '--dir', folder, '--key', type, '--file', type)
    expect(statSync(inFolder(`${type}.key`)).mode & 0o777).toBe(0o600)
    const leaf = new X509Certificate(read(`${type}.crt`))
    expect(leaf.verify(new X509Certificate(read('ca/ca.crt')).publicKey)).toBe(true)
    expect(leaf.checkHost('a.shop.test')).toBeDefined()
    expect(leaf.checkIP('127.0.0.1')).toBe('127.0.0.1')
    expect(leaf.publicKey.asymmetricKeyType).toBe(type === 'rsa' ? 'rsa' : 'ec')
    // id-kp-serverAuth
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
    expect(read(`${type}.crt`)).not.toContain('\r')
  })

  test('--client and --days', async () => {
    const uri = 'spiffe://cluster.local/ns/shop/sa/web'
    await certs('issue', uri, '--client', '--days', '9', '--ca', ca, '--dir', folder)
    const leaf = new X509Certificate(read('cluster.local-ns-shop-sa-web.crt'))
    expect(leaf.subjectAltName).toBe(`URI:${uri}`)
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
    const days = (leaf.validToDate.getTime() - Date.now()) / 86_400_000
    expect(days).toBeGreaterThan(8.9)
    expect(days).toBeLessThanOrEqual(9)
  })

  test('never overwrites without --force', async () => {
    const again = (...more: string[]): Promise<unknown> =>
      certs('issue', 'once.test', '--ca', ca, '--dir', folder, ...more)
    await again()
    const first = read('once.test.crt')
    await expect(again()).rejects.toMatchObject({ exitCode: 1 })
    expect(read('once.test.crt')).toBe(first)
    await again('--force')
    expect(read('once.test.crt')).not.toBe(first)
  })

  test('without an authority says where it looked', async () => {
    await expect(certs('issue', 'a.test', '--ca', inFolder('none'))).rejects.toMatchObject({
      exitCode: 1,
      where: inFolder('none/ca.crt'),
    })
  })
})

test.each([
  ['shop.test', 'shop.test'],
  ['*.shop.test', 'wildcard.shop.test'],
  ['::1', '1'],
  ['spiffe://td/ns/a', 'td-ns-a'],
  ['https://../../etc', 'etc'],
])('files of %s are called %s', (name, file) => {
  expect(fileName(name)).toBe(file)
})

test.each([
  ['nothing to show', ['show']],
  ['two places', ['show', 'a.crt', '--admin', '127.0.0.1:1']],
  ['a file that is not there', ['show', '/nowhere.crt']],
  ['a key of two files', ['show', 'a.crt', 'b.crt', '--key', 'a.key']],
  ['a name that is none', ['issue', 'a b']],
  ['days that are none', ['issue', 'a.test', '--days', '0']],
  ['an unknown key type', ['issue', 'a.test', '--key', 'dsa']],
  ['a Secret name that is none', ['issue', 'a.test', '--secret', 'A/B']],
])('%s is a usage error', async (_name, args) => {
  const error = await certs(...args).then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(CommandError)
  expect(error).toMatchObject({ exitCode: 2 })
})
