import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { type CommandResult, runCommand } from '../support/command.ts'
import { startGateway } from '../support/gateway.ts'
import { httpsGateway, tlsSecret } from '../support/secrets.ts'
import { virtualService } from '../support/yaml.ts'

/** Node starts once for each command, on a busy machine. */
const TIMEOUT_MS = 60_000

let folder = ''
const certs = (...args: string[]): Promise<CommandResult> =>
  runCommand(['certs', ...args], { cwd: folder })
const mode = (name: string): number => statSync(join(folder, name)).mode & 0o777
const text = (name: string): string => readFileSync(join(folder, name), 'utf8')

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-certs-'))
  await certs('init', '--name', 'Test CA')
}, TIMEOUT_MS)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('tidegate certs', { timeout: TIMEOUT_MS }, () => {
  test('init makes an authority once; its key is for its owner alone', async () => {
    expect(mode('tidegate-ca/ca.key')).toBe(0o600)
    expect(mode('tidegate-ca/ca.crt')).toBe(0o644)
    const before = text('tidegate-ca/ca.crt')
    expect(new X509Certificate(before).subject).toContain('CN=Test CA')
    const again = await certs('init')
    expect(again.code).toBe(1)
    expect(again.stderr).toContain('the file is there already')
    expect(text('tidegate-ca/ca.crt')).toBe(before)
  })

  test('issue --client makes one for clients, with the authority in its Secret', async () => {
    const uri = 'spiffe://cluster.local/ns/shop/sa/web'
    const issued = await certs('issue', '--client', uri, '--secret', 'shop/web-client')
    expect(issued.code).toBe(0)
    const file = join(folder, 'secret.yaml')
    writeFileSync(file, issued.stdout)
    const shown = await certs('show', '-c', file, '-o', 'json')
    expect(shown.code).toBe(0)
    expect(JSON.parse(shown.stdout)).toMatchObject({
      certificates: [
        { source: 'kubernetes://shop/web-client', subjectAltNames: [uri], keyMatches: true },
      ],
    })
    expect(issued.stdout).toContain('ca.crt: |')
  })

  test('show -c says which hosts a Secret serves, and which it should not', async () => {
    const authority = Authority.create('Folder test')
    const file = join(folder, 'istio.yaml')
    writeFileSync(
      file,
      tlsSecret('good', authority.issue(['good.test'])) +
        tlsSecret('wrong', authority.issue(['else.test'])) +
        httpsGateway('gw', [
          { hosts: ['good.test'], tls: '{ mode: SIMPLE, credentialName: good }' },
          { hosts: ['wrong.test'], tls: '{ mode: SIMPLE, credentialName: wrong }' },
        ]) +
        virtualService('v', ['*'], ['gw'], '  - { directResponse: { status: 200 } }'),
    )
    const shown = await certs('show', '-c', file, '-o', 'json')
    expect(shown.code).toBe(1)
    expect(JSON.parse(shown.stdout)).toMatchObject({
      certificates: [
        { source: 'kubernetes://istio-system/good', serves: ['good.test'], problems: [] },
        { serves: ['wrong.test'], problems: ['it is not for wrong.test'] },
      ],
    })
    expect(shown.stdout).not.toContain('PRIVATE KEY')
  })

  test('show asks a live address by name, and the admin API', async () => {
    const authority = Authority.create('Live test')
    await using gw = await startGateway(
      tlsSecret('app', authority.issue(['app.test'])) +
        httpsGateway('gw', [
          { hosts: ['app.test'], tls: '{ mode: SIMPLE, credentialName: app }' },
        ]) +
        virtualService('v', ['app.test'], ['gw'], '  - { directResponse: { status: 200 } }'),
      { ports: [443] },
    )
    const address = `127.0.0.1:${gw.port(443)}`
    const [named, wrong, admin] = await Promise.all([
      certs('show', address, '--sni', 'app.test', '-o', 'json'),
      certs('show', address, '--sni', 'other.test'),
      certs('show', '--admin', new URL(gw.admin).host, '-o', 'json'),
    ])
    expect(named.code).toBe(0)
    const { certificates } = JSON.parse(named.stdout) as { certificates: { chain: unknown[] }[] }
    expect(certificates[0]!.chain).toHaveLength(2)
    expect(wrong.code).toBe(3)
    expect(admin.code).toBe(0)
    expect(JSON.parse(admin.stdout)).toMatchObject({
      certificates: [{ source: 'kubernetes://istio-system/app', subjectAltNames: ['app.test'] }],
    })
  })
})
