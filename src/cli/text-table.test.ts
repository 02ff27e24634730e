import { expect, test } from 'vitest'
import { shortList, textTable } from './text-table.ts'

test('columns are as wide as their widest cell, without trailing space', () => {
  expect(
    textTable(
      ['A', 'LONG TITLE', 'C'],
      [
        ['wide cell', 'b', ''],
        ['x', '', 'y'],
      ],
    ),
  ).toBe('A           LONG TITLE   C\nwide cell   b\nx                        y\n')
})

test('a cell neither steers the terminal nor begins a line', () => {
  const table = textTable(['A'], [['x\u001b[31m\nforged\u202e']])
  expect(table.split('\n')).toHaveLength(3)
  expect(table).not.toContain('\u001b')
  expect(table).not.toContain('\u202e')
})

test.each([
  [[], 2, ''],
  [['a', 'b'], 2, 'a, b'],
  [['a', 'b', 'c'], 2, 'a, b + 1 more'],
])('%j shown to %d is %s', (items, shown, text) => {
  expect(shortList(items, shown)).toBe(text)
})
