import { expect, test } from 'vitest'
import { parseFormatString } from './format-string.ts'

const operator = (
  text: string,
  name: string,
  argument: string | null,
  maxLength: number | null,
) => ({
  text,
  name,
  argument,
  maxLength,
})

test.each<[string, unknown]>([
  ['', []],
  ['plain', ['plain']],
  ['100%%', ['100%']],
  ['%PROTOCOL%', [operator('%PROTOCOL%', 'PROTOCOL', null, null)]],
  ['a%PROTOCOL%b', ['a', operator('%PROTOCOL%', 'PROTOCOL', null, null), 'b']],
  ['%REQ(X?:PATH):10%', [operator('%REQ(X?:PATH):10%', 'REQ', 'X?:PATH', 10)]],
  ['%START_TIME(%s.%3f)%', [operator('%START_TIME(%s.%3f)%', 'START_TIME', '%s.%3f', null)]],
  ['%A%%%%B%', [operator('%A%', 'A', null, null), '%', operator('%B%', 'B', null, null)]],
  ['%REQ()%', [operator('%REQ()%', 'REQ', '', null)]],
])('%s', (format, expected) => {
  expect(parseFormatString(format)).toEqual(expected)
})

test.each([['%'], ['50% off'], ['%REQ(x%'], ['%lower%'], ['%REQ(x):a%'], ['%%%']])(
  '%s is refused with a position',
  (format) => {
    expect(parseFormatString(format)).toMatch(/position \d+/)
  },
)
