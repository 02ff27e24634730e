import { expect, test } from 'vitest'
import { CommandError } from './exit.ts'
import { ageText, parseKind } from './get.ts'

test.each([
  ['vs', 'VirtualService'],
  ['GW', 'Gateway'],
  ['gateways', 'Gateway'],
  ['DestinationRule', 'DestinationRule'],
  ['serviceentries', 'ServiceEntry'],
  ['svc', 'Service'],
  ['endpoints', 'Endpoints'],
])('%s means %s', (written, kind) => {
  expect(parseKind(written)).toBe(kind)
})

test.each([
  ['virtualservce', /did you mean VirtualService\?/],
  ['constructor', /choose one of vs, gw, dr, se/],
  // Nobody has to know what Secrets are called.
  ['secrets', /choose one of/],
])('%s is no kind to get', (written, hint) => {
  expect(() => parseKind(written)).toThrow(CommandError)
  try {
    parseKind(written)
  } catch (error) {
    expect(error).toMatchObject({ exitCode: 2, hint: expect.stringMatching(hint) })
  }
})

test.each([
  [-5, '0s'],
  [45_000, '45s'],
  [119_000, '1m'],
  [7_200_000, '2h'],
  [3 * 86_400_000 + 5, '3d'],
])('an age of %d ms is %s', (ms, text) => {
  expect(ageText(ms)).toBe(text)
})
