import { expect, test } from 'vitest'
import { joinFlags } from './response-flags.ts'

test.each([
  ['a delay, then an abort', 'DI', 'FI', 'DI,FI'],
  ['a delay, then a timeout: the timeout comes first', 'DI', 'UT', 'UT,DI'],
  ['a delay, then the client goes', 'DI', 'DC', 'DI,DC'],
  ['exhausted retries, then the failure of the last one', 'URX', 'UF', 'UF,URX'],
  ['a flag that Envoy has no place for comes last', 'DI', 'SI', 'DI,SI'],
  ['behind one without a place', 'SI', 'DT', 'SI,DT'],
  ['a third finds its place', 'DI,URX', 'UF', 'UF,DI,URX'],
])('%s', (_name, present, flag, joined) => {
  expect(joinFlags(present, flag)).toBe(joined)
})
