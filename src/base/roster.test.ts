import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Listed, Roster } from './roster.ts'

class Item implements Listed {
  rosterPlace = -1
}

test('whatever comes and goes, it holds what a Set holds', () => {
  const step = fc.record({ adds: fc.boolean(), index: fc.nat(9) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const items = Array.from({ length: 10 }, () => new Item())
      const roster = new Roster<Item>()
      const model = new Set<Item>()
      for (const { adds, index } of steps) {
        const item = items[index]!
        if (adds) {
          roster.add(item)
          model.add(item)
        } else expect(roster.delete(item)).toBe(model.delete(item))
        expect(roster.size).toBe(model.size)
        for (const one of items) expect(roster.has(one)).toBe(model.has(one))
        expect(new Set(roster)).toEqual(model)
      }
    }),
  )
})

test('who goes through it may take out what is there', () => {
  const roster = new Roster<Item>()
  const items = Array.from({ length: 5 }, () => new Item())
  for (const item of items) roster.add(item)
  const seen: Item[] = []
  for (const item of roster) {
    seen.push(item)
    roster.delete(item)
  }
  expect(seen).toEqual(items)
  expect(roster.size).toBe(0)
})

test('an item of another roster is not in this one', () => {
  const one = new Roster<Item>()
  const other = new Roster<Item>()
  const item = new Item()
  one.add(item)
  expect(other.has(item)).toBe(false)
  expect(other.delete(item)).toBe(false)
  expect(one.has(item)).toBe(true)
})
