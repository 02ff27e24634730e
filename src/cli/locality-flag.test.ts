import { expect, test } from 'vitest'
import { CommandError } from './exit.ts'
import { parseLocalityFlag } from './flag-values.ts'

test.each(['', 'eu', 'eu/eu-1', 'eu/eu-1/rack-7'])('"%s" is a locality', (text) => {
  expect(parseLocalityFlag(text)).toBe(text)
})

test.each(['/eu-1', 'eu/', 'eu//rack', 'eu/*', 'a/b/c/d', 'eu west'])('"%s" is none', (text) => {
  expect(() => parseLocalityFlag(text)).toThrow(CommandError)
})
