import { describe, expect, test } from 'vitest'
import { problemText } from '../../process/problem-log.ts'
import { parseCaseFile, readCaseFile } from './case-file.ts'

function problemsOf(text: string): readonly string[] {
  const read = parseCaseFile(text, 'web.cases.yaml')
  return 'cases' in read ? [] : read.map(problemText)
}

const CASE = `- name: one
  request: { url: http://a.test/ }
  expect: { status: 404 }
`

describe('a case file that is wrong says where and what to do', () => {
  const cases: [name: string, text: string, said: RegExp[]][] = [
    ['an unknown field', `case:\n${CASE}`, [/^web\.cases\.yaml:1 .*did you mean `cases`/]],
    [
      'an unknown expectation',
      `cases:\n${CASE}  `.replace('status: 404', 'clutser: x'),
      [/^web\.cases\.yaml:4 .*clutser.*did you mean `cluster`/],
    ],
    [
      'an unknown part of a request',
      `cases:\n${CASE}`.replace('url:', 'ulr:'),
      [/^web\.cases\.yaml:3 .*ulr.*did you mean `url`/],
    ],
    ['text for a number', `cases:\n${CASE}`.replace('404', '"404"'), [/:4 .*404 without quotes/]],
    ['no cases', 'configuration: []\ncases: []\n', [/:2 cases: the file has no cases/]],
    ['nothing', '\n', [/the case file is empty/]],
    ['no YAML', 'cases: [\n', [/^web\.cases\.yaml:\d/]],
    ['two documents', `cases:\n${CASE}---\ncases:\n${CASE}`, [/:6: .*one document/]],
    ['no name', `cases:\n${CASE}`.replace('name: one', 'name: ""'), [/:2 .*no name/]],
    ['a name twice', `cases:\n${CASE}${CASE}`, [/:5 .*another case is named "one" too/]],
    ['no expectation', `cases:\n${CASE}`.replace('status: 404', ''), [/:2 .*expects nothing/]],
    ['no url', `cases:\n${CASE}`.replace('url: http://a.test/', 'method: GET'), [/:3 .*no url/]],
    [
      'a foreign scheme',
      `cases:\n${CASE}`.replace('http:', 'ftp:'),
      [/:3 .*ftp:\/\/ is no scheme/],
    ],
    ['no method', `cases:\n${CASE}`.replace('{ url', '{ method: "G T", url'), [/not a method/]],
    ['no port', `cases:\n${CASE}`.replace('{ url', '{ port: 0, url'), [/:3 .*0 is not a port/]],
    [
      'a server name for the egress proxy',
      `cases:\n${CASE}`.replace('{ url', '{ egress: true, sni: a, url'),
      [/:3 .*egress proxy has no server names/],
    ],
    [
      'cluster beside destinations',
      `cases:\n${CASE}`.replace('status: 404', 'cluster: x, destinations: [{ host: a }]'),
      [/:4 .*both expected/],
    ],
    [
      'a destination without a name',
      `cases:\n${CASE}`.replace('status: 404', 'destinations: [{ subset: v1 }]'),
      [/:4 .*neither host nor cluster/],
    ],
    [
      'configuration that is not there',
      `configuration: [nowhere]\ncases:\n${CASE}`,
      [/:1 .*no file or folder .*nowhere.*folder of the case file/],
    ],
    [
      'a field left empty',
      `cases:\n${CASE}    route:\n`.replace('{ status: 404 }', '\n    status: 404'),
      [/:6 .*expect\.route is empty/],
    ],
    [
      'an empty list',
      `cases:\n${CASE}`.replace('404', '404, filters: []'),
      [/:4 .*filters is empty/],
    ],
    ['labels that are none', `labels: [a]\ncases:\n${CASE}`, [/:1 labels\[0\]/]],
    [
      'two mistakes',
      `cases:\n${CASE}`.replace('url:', 'ulr:').replace('status', 'staus'),
      [/:3 .*ulr/, /:4 .*staus/],
    ],
  ]
  test.each(cases)('%s', (_name, text, said) => {
    const problems = problemsOf(text)
    expect(problems).toHaveLength(said.length)
    for (const [index, pattern] of said.entries()) expect(problems[index]).toMatch(pattern)
  })

  test('a file that is not there', () => {
    const read = readCaseFile('/nowhere/at-all.cases.yaml')
    expect('cases' in read ? [] : read.map(({ message }) => message)).toEqual([
      expect.stringContaining('cannot be read'),
    ])
  })
})

describe('a case file', () => {
  test('gives each case its line and its request', () => {
    const read = parseCaseFile(
      `labels: { istio: edge }\ncases:\n- name: one\n  request:\n    url: http://a.test/\n    headers: { End-User: jason }\n    port: 8080\n  expect:\n    status: 404\n    headers:\n      x-env: a\n`,
      'web.cases.yaml',
    )
    if (!('cases' in read)) throw new Error('it is wrong')
    expect(read).toMatchObject({ labels: [{ istio: 'edge' }], namespace: null, compat: null })
    const [one] = read.cases
    expect(one).toMatchObject({ name: 'one', file: 'web.cases.yaml', line: 3 })
    expect(one?.call).toEqual({
      method: 'GET',
      url: 'http://a.test/',
      headers: [['End-User', 'jason']],
      sni: null,
      port: 8080,
      egress: false,
      from: null,
    })
    expect(one?.lineOf(['status'])).toBe(9)
    expect(one?.lineOf(['headers', 'x-env'])).toBe(11)
  })

  test('takes labels of several gateways', () => {
    const read = parseCaseFile(`labels: [{ a: b }, { a: c }]\ncases:\n${CASE}`, 'x.yaml')
    expect('cases' in read ? read.labels : null).toEqual([{ a: 'b' }, { a: 'c' }])
  })
})
