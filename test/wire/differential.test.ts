import { expect, test } from 'vitest'
import { BROADER, STRICTER } from './differences.ts'
import { compareCorpus, fuzz } from './fuzz.ts'

test('our parser and llhttp differ over the corpus only in listed classes, each of use', async () => {
  const report = await compareCorpus()
  expect(report.failures).toEqual([])
  expect(report.exchangesLeft).toBe(0)
  const unused = [...STRICTER, ...BROADER].filter(({ name }) => !report.byClass.has(name))
  expect(unused).toEqual([])
})

const MUTATIONS = 20_000

test(`and over ${MUTATIONS} mutations of it`, { timeout: 60_000 }, async () => {
  const seed = 20_261_121
  const report = await fuzz({ count: MUTATIONS, seed })
  expect(report.failures, `seed ${seed}`).toEqual([])
  expect(report.inputs).toBe(MUTATIONS)
  expect(report.behindOthers).toBeGreaterThan(MUTATIONS / 4)
  expect(report.exchangesLeft).toBe(0)
  expect(report.agreed).toBeGreaterThan(MUTATIONS / 10)
})
