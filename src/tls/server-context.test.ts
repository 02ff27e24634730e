import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SecureContext } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Authority, type CertificatePair } from '../../certs/authority.ts'
import { SecretText } from '../base/secret-text.ts'
import type { CertificateSource, ServerTlsPlan } from './plan.ts'
import { ServerContexts } from './server-context.ts'

const authority = Authority.create('test authority')
const first = authority.issue(['a.test'])
const second = authority.issue(['a.test'])

let folder: string
let problems: string[]
let nowMs: number
let contexts: ServerContexts

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-context-'))
  problems = []
  nowMs = Date.now()
  contexts = new ServerContexts({
    onProblem: (message) => problems.push(message),
    now: () => nowMs,
  })
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

function planOf(
  certificates: readonly CertificateSource[],
  changes: Partial<ServerTlsPlan> = {},
): ServerTlsPlan {
  return {
    certificates,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: null,
    alpn: [],
    ...changes,
  }
}

function pem({ certificate, key }: CertificatePair): CertificateSource {
  return { kind: 'pem', name: 'kubernetes://ns/web', certificate, key: new SecretText(key) }
}

function files(): CertificateSource {
  return {
    kind: 'files',
    name: 'file://web',
    certificate: join(folder, 'tls.crt'),
    key: join(folder, 'tls.key'),
  }
}

function write({ certificate, key }: Partial<CertificatePair>): void {
  if (certificate !== undefined) writeFileSync(join(folder, 'tls.crt'), certificate)
  if (key !== undefined) writeFileSync(join(folder, 'tls.key'), key)
}

/** Later than the interval at which files are looked at. */
function later(): void {
  nowMs += 1000
}

describe('certificates from resources', () => {
  test('one plan has one context', () => {
    const plan = planOf([pem(first)])
    const context = contexts.contextFor(plan)
    expect(context).not.toBeNull()
    later()
    expect(contexts.contextFor(plan)).toBe(context)
    expect(problems).toEqual([])
  })

  test('a pair that does not belong together is refused, said once, without the key', () => {
    const plan = planOf([pem({ certificate: first.certificate, key: second.key })])
    expect(contexts.contextFor(plan)).toBeNull()
    later()
    expect(contexts.contextFor(plan)).toBeNull()
    expect(problems.length).toBe(1)
    expect(problems[0]).toMatch(/^certificate kubernetes:\/\/ns\/web: .*does not belong/)
    expect(problems[0]).not.toContain('PRIVATE KEY')
  })

  test('one broken pair of two refuses both', () => {
    const broken = { ...pem({ certificate: first.certificate, key: 'x' }), name: 'another' }
    expect(contexts.contextFor(planOf([pem(first), broken]))).toBeNull()
  })

  test('a broken update of a Secret leaves its last good pair serving', () => {
    const good = contexts.contextFor(planOf([pem(first)]))
    expect(good).not.toBeNull()
    const broken = pem({ certificate: first.certificate, key: 'x' })
    expect(contexts.contextFor(planOf([broken]))).toBe(good)
  })

  test('no pair at all is refused', () => {
    expect(contexts.contextFor(planOf([]))).toBeNull()
  })

  test('settings that OpenSSL refuses are a problem, not an exception', () => {
    const plan = planOf([pem(first)], { ciphers: 'NO-SUCH-CIPHER' })
    expect(contexts.contextFor(plan)).toBeNull()
    expect(problems[0]).toContain('TLS settings refused')
  })
})

describe('certificates from files', () => {
  test('a new pair is taken after the check interval, not before', () => {
    write(first)
    const plan = planOf([files()])
    const context = contexts.contextFor(plan)
    expect(context).not.toBeNull()
    write(second)
    nowMs += 999
    expect(contexts.contextFor(plan)).toBe(context)
    nowMs += 1
    const rotated = contexts.contextFor(plan)
    expect(rotated).not.toBe(context)
    later()
    expect(contexts.contextFor(plan)).toBe(rotated)
    expect(problems).toEqual([])
  })

  const broken: [name: string, breakFiles: () => void][] = [
    ['a certificate whose key is still to come', () => write({ certificate: second.certificate })],
    ['garbage', () => write({ certificate: 'garbage', key: 'garbage' })],
    ['an empty file', () => write({ key: '' })],
    ['a missing file', () => rmSync(join(folder, 'tls.key'))],
  ]
  describe.each(broken)('%s', (_name, breakFiles) => {
    let plan: ServerTlsPlan
    let good: SecureContext | null
    beforeEach(() => {
      write(first)
      plan = planOf([files()])
      good = contexts.contextFor(plan)
      breakFiles()
      later()
    })

    test('leaves the last good pair serving and is said once', () => {
      expect(contexts.contextFor(plan)).not.toBeNull()
      later()
      expect(contexts.contextFor(plan)).not.toBeNull()
      expect(problems.length).toBe(1)
    })

    test('also under the plan of the next configuration', () => {
      expect(contexts.contextFor(planOf([files()]))).not.toBeNull()
      expect(problems.length).toBe(1)
    })

    test('is over with the next good pair', () => {
      expect(contexts.contextFor(plan)).not.toBeNull()
      write(second)
      later()
      const mended = contexts.contextFor(plan)
      expect(mended).not.toBeNull()
      expect(mended).not.toBe(good)
    })
  })

  test('missing from the beginning: refused until they appear', () => {
    const plan = planOf([files()])
    expect(contexts.contextFor(plan)).toBeNull()
    expect(problems.length).toBe(1)
    later()
    expect(contexts.contextFor(plan)).toBeNull()
    expect(problems.length).toBe(1)
    write(first)
    later()
    expect(contexts.contextFor(plan)).not.toBeNull()
  })
})
