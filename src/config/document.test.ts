import { describe, expect, it } from 'vitest'
import { MAX_DOCUMENT_BYTES, MAX_FILE_BYTES, parseDocuments, type ParsedFile } from './document.ts'
import { lineOf, nearest } from './position-tree.ts'

describe('documents of a file', () => {
  it('are cut at --- and ... lines, empty ones left out', () => {
    const text =
      '# only a comment\n---\na: 1\n---\n---\n...\n--- # note\nb: 2\n...\n---\n{"c": 3}\n'
    expect(values(text)).toEqual([{ a: 1 }, { b: 2 }, { c: 3 }])
  })

  it('know their lines', () => {
    const text =
      '\uFEFF%YAML 1.2\n---\r\na:\r\n  b:\r\n    - c\r\n    - d: 1\r\n---\r\ne: {f: 1}\r\n'
    const [first, second] = parseDocuments(text, 'x.yaml').documents
    expect(lineAt(first, ['a', 'b', 1, 'd'])).toBe(6)
    expect(lineAt(first, ['a', 'b', 7, 'nothing'])).toBe(4)
    expect(lineAt(second, ['e', 'f'])).toBe(8)
  })

  it('stand on their own: one that does not parse takes no other with it', () => {
    const { documents, problems } = parseDocuments(
      'a: 1\n---\nb: "open\n---\nc: [\n---\nd: 1\n',
      'x',
    )
    expect(documents.map((document) => document.value)).toEqual([{ a: 1 }, { d: 1 }])
    expect(problems.map((problem) => problem.line)).toEqual([
      expect.any(Number),
      expect.any(Number),
    ])
  })

  it('follow the YAML 1.2 core schema', () => {
    const text = 'a: True\nb: no\nc: 010\nd: 0x10\ne: ~\nf: 2024-01-01\n8080: x\ng: !!str 1\n'
    expect(values(text)).toEqual([
      { a: true, b: 'no', c: 10, d: 16, e: null, f: '2024-01-01', '8080': 'x', g: '1' },
    ])
  })

  it('may be JSON, indented with tabs', () => {
    expect(values('{\n\t"a": [\n\t\t1,\n\t\t"\\/"\n\t]\n}\n')).toEqual([{ a: [1, '/'] }])
  })

  it('may use anchors and merge keys within bounds', () => {
    const text = 'base: &base {a: 1, b: 2}\none:\n  <<: *base\n  b: 3\ntwo: *base\n'
    expect(values(text)).toEqual([
      { base: { a: 1, b: 2 }, one: { a: 1, b: 3 }, two: { a: 1, b: 2 } },
    ])
  })

  it('are frozen and have no prototype', () => {
    const [value] = values('a: {b: [1]}\n') as [{ a: { b: number[] } }]
    expect(Object.isFrozen(value.a.b)).toBe(true)
    expect(Object.getPrototypeOf(value)).toBeNull()
  })
})

describe('slips', () => {
  it.each<[string, string, string, number, number, RegExp, RegExp]>([
    [
      'one space where siblings have two',
      'spec:\n  hosts:\n    - a.com\n ports:\n    - number: 1\n',
      'bad-indent',
      4,
      2,
      /`ports` is indented by 1 space, but its sibling `hosts` by 2 spaces/,
      /indent `ports` by 2 spaces/,
    ],
    [
      'a field deeper than its sibling',
      'ports:\n- number: 80\n    name: http\n',
      'bad-indent',
      3,
      5,
      /`name` is indented by 4 spaces, deeper than `number`/,
      /by 2 spaces/,
    ],
    [
      'a missing colon',
      'ports:\n- name http\n  port: 8080\n',
      'missing-colon',
      2,
      1,
      /no colon after `name`/,
      /`- name: http`/,
    ],
    [
      'a missing space',
      'port:\n  name:http\n  number: 80\n',
      'missing-space',
      2,
      3,
      /no space after the colon of `name`/,
      /`name: `/,
    ],
    [
      'a list that is not closed',
      'spec:\n  hosts: ["]", a.test # ]\n  ports: []\n',
      'open-bracket',
      2,
      10,
      /^`\[` is not closed$/,
      /close it with `\]`/,
    ],
    [
      'a list that the document ends in',
      'spec:\n  hosts: [a.test\n',
      'open-bracket',
      2,
      10,
      /^`\[` is not closed$/,
      /close it with `\]`/,
    ],
    [
      'a mapping that is not closed, in a list that is',
      'spec:\n  ports: [{ number: 80 }, { number: 81 ]\n',
      'open-bracket',
      2,
      27,
      /^`\{` is not closed$/,
      /close it with `\}`/,
    ],
    [
      'a list closed on a line that is not indented',
      'spec:\n  hosts: [\n  a.test\n  ]\n',
      'open-bracket',
      2,
      10,
      /^`\[` is not closed$/,
      /indented more than the key/,
    ],
    [
      'a tab',
      'spec:\n\thosts: []\n',
      'tab-indent',
      2,
      1,
      /indented with a tab; YAML allows only spaces/,
      /two spaces/,
    ],
    [
      'a block of tabs',
      '\tkind: A\n\tspec:\n\t  b: 1\n',
      'tab-indent',
      1,
      1,
      /\(so are 2 more lines of this document\)/,
      /two spaces/,
    ],
    [
      'a // comment after a key',
      'hosts:\t// which\n- web\n',
      'slash-comment',
      1,
      1,
      /`\/\/` does not start a comment/,
      /`#`/,
    ],
    [
      'a shell line',
      'a:\n  b: 1\n\ncurl http://foo:8080/calc \n',
      'shell-line',
      4,
      1,
      /shell command/,
      /lines 1 to 4/,
    ],
    [
      'a prompt',
      '$ kubectl apply -f x.yaml\na: 1\n',
      'shell-line',
      1,
      1,
      /shell command/,
      /delete the line/,
    ],
    [
      'two values on one line',
      'a: b: c\n',
      'syntax',
      1,
      4,
      /second `key: value`/,
      /quote the value/,
    ],
    ['a bare @', 'a: @x\n', 'syntax', 1, 4, /cannot start with this character/, /quote/],
  ])('%s', (_, text, code, line, column, message, hint) => {
    const { documents, problems } = parseDocuments(`ok: 1\n---\n${text}---\nok: 2\n`, 'f.yaml')
    expect(documents.map((document) => document.value)).toEqual([{ ok: 1 }, { ok: 2 }])
    expect(problems[0]).toMatchObject({ code, severity: 'error', file: 'f.yaml', column })
    expect((problems[0]?.line ?? 0) - 2).toBe(line)
    expect(problems[0]?.message).toMatch(message)
    expect(
      problems[0]?.hint?.replace(
        /lines (\d+) to (\d+)/,
        (_all, a, b) => `lines ${a - 1} to ${b - 2}`,
      ),
    ).toMatch(hint)
  })

  it('that YAML accepts are found too', () => {
    const { documents } = parseDocuments(
      'spec:\n  app: web\t//the pods\n  simple: RANDOM  \t\n',
      null,
    )
    const found = documents.flatMap((document) => document.problems)
    expect(found).toMatchObject([
      { code: 'slash-comment', severity: 'error', line: 2, path: ['spec', 'app'] },
      { code: 'trailing-tab', severity: 'info', line: 3, column: 17 },
    ])
  })

  it('are not seen in free text, URLs and prefixes', () => {
    const text =
      'a: http://x\nb: //api\nc: "x // y"\nd: |\n  name http\n  x // y\ndata:\n  e: x // y\n'
    const problems = parseDocuments(text, null).documents.flatMap((document) => document.problems)
    expect(problems).toMatchObject([{ severity: 'warning', path: ['data', 'e'] }])
  })

  it('of a Secret are told without its text', () => {
    const text =
      'kind: Secret\nstringData:\n  - password hunter2\n   token: "hunter2\n  x: `hunter2\n'
    const { problems } = parseDocuments(text, null)
    expect(problems.length).toBeGreaterThan(0)
    expect(JSON.stringify(problems)).not.toContain('hunter2')
  })
})

describe('hostile documents', () => {
  const bomb = ['a0: &a0 [x,x,x,x,x,x,x,x,x]']
  for (let level = 1; level < 9; level++) {
    bomb.push(
      `a${level}: &a${level} [${Array.from({ length: 9 }, () => `*a${level - 1}`).join(',')}]`,
    )
  }
  it.each<[string, string, string]>([
    ['alias bomb', bomb.join('\n'), 'alias-bomb'],
    [
      'few aliases of a large list',
      `a: &a [${'x,'.repeat(20_000)}]\nb: [${'*a,'.repeat(99)}]\n`,
      'alias-bomb',
    ],
    ['alias cycle', 'a: &a\n  b: *a\n', 'alias-cycle'],
    ['deep lists', '['.repeat(65) + ']'.repeat(65), 'document-too-deep'],
    ['very deep lists', '['.repeat(50_000), 'document-too-deep'],
    ['very deep dashes', '- '.repeat(50_000), 'document-too-deep'],
    ['a __proto__ key', '__proto__: {a: 1}\n', 'forbidden-key'],
    ['a constructor key', '{"a": {"constructor": 1}}', 'forbidden-key'],
    ['a duplicate key', 'a: 1\nb: 2\na: 3\n', 'duplicate-key'],
    ['an unknown alias', 'a: *nowhere\n', 'unknown-alias'],
    ['a tag', 'a: !js/function x\n', 'unknown-tag'],
    ['a mapping as key', '? {a: 1}\n: 2\n', 'bad-key'],
    ['binary junk', 'a: \u0000\u0001\n', 'not-text'],
    ['a large document', `a: "${'x'.repeat(MAX_DOCUMENT_BYTES)}"`, 'document-too-large'],
    ['a document of too many fields', '- a\n'.repeat(1_000_000), 'document-too-large'],
    ['a large file', `# ${'x'.repeat(MAX_FILE_BYTES)}\n`, 'file-too-large'],
  ])('%s is a Problem', (_, text, code) => {
    const codes = allProblems(parseDocuments(text, null)).map((problem) => [
      problem.code,
      problem.severity,
    ])
    expect(codes[0]).toEqual([code, 'error'])
  })

  it('does not take long over an alias bomb', () => {
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now()
      parseDocuments(bomb.join('\n'), null)
      return performance.now() - start
    })
    expect(Math.min(...times)).toBeLessThan(50)
  })
})

function values(text: string): unknown[] {
  const file = parseDocuments(text, null)
  expect(allProblems(file)).toEqual([])
  return file.documents.map((document) => document.value)
}

function allProblems(file: ParsedFile) {
  return [...file.problems, ...file.documents.flatMap((document) => document.problems)]
}

function lineAt(document: ParsedFile['documents'][number] | undefined, path: (string | number)[]) {
  return document === undefined ? null : lineOf(nearest(document.positions, path))
}
