import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BASE_PATH_RULES, normalizePath, type PathRules } from './path-normalization.ts'

// The levels of MeshConfig.pathNormalization.
const NONE: PathRules = { normalize: false, mergeSlashes: false, escapedSlashes: 'keep' }
const BASE = BASE_PATH_RULES
const MERGE: PathRules = { ...BASE, mergeSlashes: true }
const DECODE: PathRules = { ...MERGE, escapedSlashes: 'forward' }

const ALL: readonly PathRules[] = [false, true].flatMap((normalize) =>
  [false, true].flatMap((mergeSlashes) =>
    (['keep', 'reject', 'redirect', 'forward'] as const).map((escapedSlashes) => ({
      normalize,
      mergeSlashes,
      escapedSlashes,
    })),
  ),
)

describe('what Istio forwards at each level', () => {
  // path, BASE, MERGE_SLASHES, DECODE_AND_MERGE_SLASHES
  test.each([
    ['/', '/', '/', '/'],
    ['/app/', '/app/', '/app/', '/app/'],
    ['/app/../admin', '/admin', '/admin', '/admin'],
    ['/app//', '/app//', '/app/', '/app/'],
    ['/app/%2f', '/app/%2f', '/app/%2f', '/app/'],
    ['/app%2F/', '/app%2F/', '/app%2F/', '/app/'],
    ['/xyz%30..//abc', '/xyz0..//abc', '/xyz0../abc', '/xyz0../abc'],
    ['/app/%2E./admin', '/admin', '/admin', '/admin'],
    ['/app\\admin', '/app/admin', '/app/admin', '/app/admin'],
    ['/app/\\/\\/\\admin', '/app//////admin', '/app/admin', '/app/admin'],
    ['/%2Fa%5cb%5Cc', '/%2Fa%5cb%5Cc', '/%2Fa%5cb%5Cc', '/a/b/c'],
    ['/%5Capp%2f%5c%2F%2e%2e%2fx', '/%5Capp%2f%5c%2F..%2fx', '/%5Capp%2f%5c%2F..%2fx', '/app/x'],
    ['/app//../admin', '/app/admin', '/app/admin', '/app/admin'],
    ['/app//../../admin', '/admin', '/admin', '/admin'],
    ['/../../x', '/x', '/x', '/x'],
    ['/a/.', '/a/', '/a/', '/a/'],
    ['/a/b/..', '/a/', '/a/', '/a/'],
    ['/%c0%2e%c0%2e/x', '/%c0.%c0./x', '/%c0.%c0./x', '/%c0.%c0./x'],
    ['/%c0%2fadmin', '/%c0%2fadmin', '/%c0%2fadmin', '/%c0/admin'],
    ['/%252e%252e/admin', '/%252e%252e/admin', '/%252e%252e/admin', '/%252e%252e/admin'],
    ['/%252fadmin', '/%252fadmin', '/%252fadmin', '/%252fadmin'],
    ['/.../admin', '/.../admin', '/.../admin', '/.../admin'],
    ['/;/admin', '/;/admin', '/;/admin', '/;/admin'],
    ['/admin;a=b/xyz', '/admin;a=b/xyz', '/admin;a=b/xyz', '/admin;a=b/xyz'],
    ['/a%zz', '/a%zz', '/a%zz', '/a%zz'],
    ['/a%', '/a%', '/a%', '/a%'],
    ['/%7Euser', '/~user', '/~user', '/~user'],
    ['/{a}|"', '/%7Ba%7D%7C%22', '/%7Ba%7D%7C%22', '/%7Ba%7D%7C%22'],
    ['/\u00e9', '/%E9', '/%E9', '/%E9'],
  ])('%s', (path, base, merge, decode) => {
    expect(normalizePath(path, NONE)).toBe(path)
    expect(normalizePath(path, BASE)).toBe(base)
    expect(normalizePath(path, MERGE)).toBe(merge)
    expect(normalizePath(path, DECODE)).toBe(decode)
  })

  test('every escape but those of unreserved characters and slashes stays as it came', () => {
    for (let code = 1; code <= 0xff; code++) {
      const triplet = `%${code.toString(16).padStart(2, '0')}`
      const character = String.fromCharCode(code)
      let expected = /[A-Za-z0-9\-._~]/.test(character) ? character : triplet
      if (code === 0x2f || code === 0x5c) expected = '/'
      expect(normalizePath(`/admin${triplet}`, DECODE)).toBe(`/admin${expected}`)
    }
  })
})

test.each([
  ['/a%2fb', '/a/b'],
  ['/a%5Cb', '/a/b'],
  ['/a%2e%2fb', '/a./b'],
  ['/a/b', '/a/b'],
])('%s with escaped slashes refused, decoded, or decoded alone', (path, decoded) => {
  const escaped = path !== decoded
  expect(normalizePath(path, { ...BASE, escapedSlashes: 'reject' })).toBe(escaped ? null : path)
  expect(normalizePath(path, { ...BASE, escapedSlashes: 'redirect' })).toBe(decoded)
  expect(normalizePath(path, { ...NONE, escapedSlashes: 'forward' })).toBe(
    decoded.replace('a.', 'a%2e'),
  )
})

test.each(['/admin%00', '/..;/admin', '/x/..;a=b/admin', '/.;/x', '/%2e%2e;x/y', 'x', '', '*'])(
  '%j is refused',
  (path) => {
    expect(normalizePath(path, BASE)).toBeNull()
  },
)

const pathPiece = fc.constantFrom(
  '/',
  '.',
  '..',
  '%',
  '%2',
  '%2e',
  '%2F',
  '%5c',
  '\\',
  'a',
  'e',
  '4',
  '5',
  ';',
  '%25',
  '%00',
  '\u00ff',
)
const anyPath = fc.array(pathPiece, { maxLength: 14 }).map((pieces) => `/${pieces.join('')}`)

test('normalising twice changes nothing', () => {
  fc.assert(
    fc.property(anyPath, fc.constantFrom(...ALL), (path, rules) => {
      const once = normalizePath(path, rules)
      if (once !== null) expect(normalizePath(once, rules)).toBe(once)
    }),
    { numRuns: 3000 },
  )
})

test('what the rules take away is gone, decoded or not', () => {
  fc.assert(
    fc.property(anyPath, fc.constantFrom(...ALL), (path, rules) => {
      const normal = normalizePath(path, rules)
      if (normal === null) return
      if (rules.mergeSlashes) expect(normal).not.toContain('//')
      if (rules.escapedSlashes !== 'keep') expect(normal).not.toMatch(/%2f|%5c/i)
      if (!rules.normalize) return
      const segments = normal.replaceAll(/%2e/gi, '.').split('/')
      expect(segments).not.toContain('..')
      expect(segments).not.toContain('.')
      expect(normal).not.toContain('\\')
    }),
    { numRuns: 3000 },
  )
})
