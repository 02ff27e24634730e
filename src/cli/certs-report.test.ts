import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Authority } from '../../certs/authority.ts'
import { type ReportInput, parseChain, reportOf } from './certs-report.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const authority = Authority.create('Report test')
const leaf = authority.issue(['shop.test', '*.shop.test', '127.0.0.1'], 30)
const other = Authority.create('Somebody else')

const problemsOf = (changes: Partial<ReportInput>): readonly string[] =>
  reportOf({
    source: 'shop.crt',
    certificates: parseChain(leaf.certificate),
    key: leaf.key,
    serves: [],
    minDays: 0,
    nowMs: Date.now(),
    ...changes,
  }).problems

describe('the report of a certificate', () => {
  test('tells its chain, names, days and key', () => {
    const report = reportOf({
      source: 'shop.crt',
      certificates: parseChain(leaf.certificate),
      key: leaf.key,
      serves: ['shop.test'],
      minDays: 7,
      nowMs: Date.now(),
    })
    expect(report).toMatchObject({
      source: 'shop.crt',
      subjectAltNames: ['shop.test', '*.shop.test', '127.0.0.1'],
      daysLeft: 29,
      keyMatches: true,
      serves: ['shop.test'],
      problems: [],
    })
    expect(report.chain.map(({ subject, publicKey }) => [subject, publicKey])).toEqual([
      ['O=Tidegate development, CN=shop.test', 'rsa 2048'],
      ['O=Tidegate development, CN=Report test', 'rsa 2048'],
    ])
  })

  test.each<[string, Partial<ReportInput>, RegExp | null]>([
    ['all is well', {}, null],
    ['no key is known', { key: null }, null],
    ['another key', { key: other.issue(['x']).key }, /private key does not belong/],
    ['no key at all', { key: 'nothing' }, /private key does not belong/],
    ['expired', { nowMs: Date.now() + 31 * DAY_MS }, /^it expired at /],
    ['not yet valid', { nowMs: Date.now() - DAY_MS }, /^it is not valid before /],
    ['expires soon', { minDays: 60 }, /^it expires in 29 days$/],
    ['not one certificate', { certificates: [] }, /no PEM certificate/],
    ['an exact host it is for', { serves: ['shop.test'] }, null],
    ['a host its wildcard is for', { serves: ['a.shop.test'] }, null],
    ['the wildcard itself', { serves: ['*.shop.test'] }, null],
    ['an address', { serves: ['127.0.0.1'] }, null],
    ['any host', { serves: ['*'] }, null],
    ['a host it is not for', { serves: ['a.b.shop.test'] }, /^it is not for a\.b\.shop\.test$/],
    ['a wildcard it is not for', { serves: ['*.other.test'] }, /^it is not for \*\.other\.test$/],
    [
      'a chain of strangers',
      {
        certificates: [
          new X509Certificate(leaf.certificate),
          new X509Certificate(other.certificate),
        ],
      },
      /^number 2 of its chain is not the issuer of number 1$/,
    ],
    [
      'a bundle of authorities',
      { certificates: parseChain(authority.certificate + other.certificate), key: null },
      null,
    ],
  ])('%s', (_name, changes, problem) => {
    const problems = problemsOf(changes)
    if (problem === null) expect(problems).toEqual([])
    else expect(problems).toContainEqual(expect.stringMatching(problem))
  })
})
