import { expect, test } from 'vitest'
import { FLOOD_MEMORY_MS, H2FloodMemory } from './h2-flood-memory.ts'

test('each ended session halves the share of the next, up to a point', () => {
  const memory = new H2FloodMemory()
  expect(memory.shareOf('a', 0)).toBe(1)
  memory.note('a', 0)
  expect(memory.shareOf('a', 1)).toBe(1 / 2)
  for (let i = 0; i < 20; i++) memory.note('a', 1)
  expect(memory.shareOf('a', 1)).toBe(1 / 64)
  expect(memory.shareOf('b', 1)).toBe(1)
})

test('who keeps quiet for a while is trusted again', () => {
  const memory = new H2FloodMemory()
  memory.note('a', 0)
  memory.note('a', 100)
  expect(memory.shareOf('a', FLOOD_MEMORY_MS + 99)).toBe(1 / 4)
  expect(memory.shareOf('a', FLOOD_MEMORY_MS + 100)).toBe(1)
  memory.note('b', 0)
  memory.note('b', FLOOD_MEMORY_MS)
  expect(memory.shareOf('b', FLOOD_MEMORY_MS)).toBe(1 / 2)
})

test('it remembers so many clients and forgets the one that was quiet longest', () => {
  const memory = new H2FloodMemory()
  memory.note('first', 0)
  for (let i = 0; i < 4_095; i++) memory.note(`client ${i}`, 1)
  memory.note('first', 2)
  memory.note('one more', 3)
  expect(memory.shareOf('first', 4)).toBe(1 / 4)
  expect(memory.shareOf('client 0', 4)).toBe(1)
  expect(memory.shareOf('client 1', 4)).toBe(1 / 2)
})
