import { expect, test } from 'vitest'
import { KeptLines } from './kept-lines.ts'

const FIELDS = ['x-a', '1', 'x-b', '2', 'x-c', '3', 'x bad', '4']

test('the first lines stand behind a start line', () => {
  const lines = new KeptLines('first')
  expect(lines.take(FIELDS, 0, 0, '')).toBe(true)
  expect(lines.with('start ')).toBe('start ')
  for (const times of [1, 3, 2]) {
    expect(lines.take(FIELDS, 0, 4, '')).toBe(true)
    for (let i = 0; i < times; i++) expect(lines.with('start ')).toBe('start x-a: 1\r\nx-b: 2\r\n')
    expect(lines.take(FIELDS, 0, 2, '')).toBe(true)
    for (let i = 0; i < times; i++) expect(lines.with('start ')).toBe('start x-a: 1\r\n')
    for (let i = 0; i < times; i++) expect(lines.with('other ')).toBe('other x-a: 1\r\n')
  }
})

test('the last lines stand before framing and the empty line', () => {
  const lines = new KeptLines('last')
  const all = FIELDS.slice(0, 6)
  for (const times of [1, 3, 2]) {
    expect(lines.take(all, 2, 6, '')).toBe(true)
    for (let i = 0; i < times; i++)
      expect(lines.with('f\r\n')).toBe('x-b: 2\r\nx-c: 3\r\nf\r\n\r\n')
    expect(lines.take(all, 4, 6, '')).toBe(true)
    for (let i = 0; i < times; i++) expect(lines.with('')).toBe('x-c: 3\r\n\r\n')
  }
})

test('a value alone is written between the start of its line and the end of it', () => {
  const first = new KeptLines('first')
  const last = new KeptLines('last')
  for (const name of ['x-b', '', 'x-d', 'x-b']) {
    const value = name === '' ? '' : 'v'
    const line = name === '' ? '' : `${name}: v\r\n`
    for (const from of [4, 6]) {
      expect(first.take(FIELDS, 0, 2, name)).toBe(true)
      expect(last.take(FIELDS.slice(0, 6), from, 6, name)).toBe(true)
      const end = from === 4 ? 'x-c: 3\r\n\r\n' : '\r\n'
      for (let i = 0; i < 3; i++)
        expect(`${first.with('start ')}${value}${last.with('')}`).toBe(
          `start x-a: 1\r\n${line}${end}`,
        )
    }
  }
})

test('there are none when one of them may not be written', () => {
  const lines = new KeptLines('first')
  expect(lines.take(FIELDS, 0, 8, '')).toBe(false)
  expect(lines.take(FIELDS, 0, 6, '')).toBe(true)
  expect(lines.take(FIELDS, 0, 0, 'x bad')).toBe(false)
  expect(lines.take(FIELDS, 0, 0, 'host')).toBe(false)
  expect(lines.take(FIELDS, 0, 0, 'x-d')).toBe(true)
})

test('what is long is joined each time', () => {
  const lines = new KeptLines('first')
  const start = 'a'.repeat(2_048)
  lines.take(FIELDS, 0, 2, '')
  for (let i = 0; i < 3; i++) expect(lines.with(start)).toBe(`${start}x-a: 1\r\n`)
  expect(lines.with('b')).toBe('bx-a: 1\r\n')
})
