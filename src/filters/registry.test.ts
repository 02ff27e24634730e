import { expect, test } from 'vitest'
import type { FilterFactory } from './filter.ts'
import { FilterRegistry } from './registry.ts'

function factory(name: string, ...typeUrls: string[]): FilterFactory {
  return { name, typeUrls, compile: () => null }
}

test('factories keep their order of registration', () => {
  const registry = new FilterRegistry()
  const first = factory('first', 'a.A')
  const second = factory('second', 'b.B', 'b.C')
  registry.add(first)
  registry.add(second)
  expect(registry.factories).toEqual([first, second])
})

test('two factories for one type URL are refused and the second leaves nothing behind', () => {
  const registry = new FilterRegistry()
  registry.add(factory('first', 'a.A'))
  expect(() => registry.add(factory('second', 'b.B', 'a.A'))).toThrow(/second .* a\.A: first/)
  expect(registry.factories).toHaveLength(1)
  registry.add(factory('third', 'b.B'))
  expect(registry.factories).toHaveLength(2)
})

test('two factories for one field are refused', () => {
  const registry = new FilterRegistry()
  registry.add({ ...factory('first'), field: 'fault' })
  registry.add({ ...factory('cors'), field: 'corsPolicy' })
  expect(() => registry.add({ ...factory('second', 'a.A'), field: 'fault' })).toThrow(
    /second .* fault: first/,
  )
  registry.add(factory('third', 'a.A'))
  expect(registry.factories).toHaveLength(3)
})
