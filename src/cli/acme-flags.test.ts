import { Command } from 'commander'
import { expect, test } from 'vitest'
import type { AcmeSettings } from '../acme/acme-settings.ts'
import { LETS_ENCRYPT } from '../base/acme-directory.ts'
import { EXIT_USAGE } from './exit.ts'
import { addRunFlags, runOptionsOf } from './run-flags.ts'

function settings(line: string, env: NodeJS.ProcessEnv = {}): AcmeSettings | undefined {
  const command = addRunFlags(new Command('run')).exitOverride()
  command.parse(
    line.split(' ').filter((part) => part !== ''),
    { from: 'user' },
  )
  return runOptionsOf(command, env).acme
}

test("nothing given: Let's Encrypt, no store, terms not agreed to", () => {
  expect(settings('')).toEqual({
    directory: LETS_ENCRYPT,
    email: null,
    store: null,
    caFile: null,
    termsAgreed: false,
    externalAccount: null,
  })
})

const given: [line: string, env: NodeJS.ProcessEnv, expected: Partial<AcmeSettings>][] = [
  [
    '--acme-directory https://ca.test/dir --acme-ca ca.pem',
    { TIDEGATE_ACME_DIRECTORY: 'https://ca.test/dir', TIDEGATE_ACME_CA: 'ca.pem' },
    { directory: 'https://ca.test/dir', caFile: 'ca.pem' },
  ],
  [
    '--acme-store ./acme --acme-accept-terms --acme-email ops@a.test',
    {
      TIDEGATE_ACME_STORE: './acme',
      TIDEGATE_ACME_ACCEPT_TERMS: 'true',
      TIDEGATE_ACME_EMAIL: 'ops@a.test',
    },
    { store: { folder: './acme' }, termsAgreed: true, email: 'ops@a.test' },
  ],
  [
    '--acme-store redis --redis redis://localhost',
    { TIDEGATE_ACME_STORE: 'redis', REDIS_URL: 'redis://localhost' },
    { store: 'redis' },
  ],
  [
    '--acme-eab-kid kid --acme-eab-key-file key',
    { TIDEGATE_ACME_EAB_KID: 'kid', TIDEGATE_ACME_EAB_KEY_FILE: 'key' },
    { externalAccount: { keyId: 'kid', keyFile: 'key' } },
  ],
]
test.each(given)('%s, as flag and as variable', (line, env, expected) => {
  expect(settings(line)).toMatchObject(expected)
  expect(settings('', env)).toMatchObject(expected)
})

test.each([
  '--acme-directory http://ca.test/dir',
  '--acme-directory letsencript',
  '--acme-store redis',
  '--acme-eab-kid kid',
  '--acme-eab-key-file key',
])('%s is refused', (line) => {
  expect(() => settings(line)).toThrow(expect.objectContaining({ exitCode: EXIT_USAGE }))
})
