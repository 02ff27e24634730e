import { describe, expect, it } from 'vitest'
import { parseDurationMs } from './duration.ts'

describe('parseDurationMs', () => {
  it.each([
    ['1s', 1000],
    ['1.5s', 1500],
    ['0.1s', 100],
    ['0.000000001s', 0.000001],
    ['100ms', 100],
    ['2m', 120_000],
    ['1h2m3s', 3_723_000],
    ['1h30m', 5_400_000],
    ['500us', 0.5],
    ['500µs', 0.5],
    ['1.s', 1000],
    ['.5s', 500],
    ['0s', 0],
    ['0', 0],
    ['2540400h', 9_145_440_000_000],
  ])('%s is %d ms', (text, expected) => {
    expect(parseDurationMs(text)).toBe(expected)
  })

  it.each([
    '',
    '5',
    '-1s',
    '+1s',
    '1',
    '1 s',
    ' 1s',
    '1S',
    '1d',
    's',
    '.s',
    '1s2',
    '1.5.5s',
    'NaN',
    '1e3s',
    '3000000h',
    '1s\n',
    '9'.repeat(200) + 's',
  ])('%j is no duration', (text) => {
    expect(parseDurationMs(text)).toBeNull()
  })
})
