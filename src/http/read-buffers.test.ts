import { expect, test } from 'vitest'
import { partOf, sharedBuffer, sharedView } from './read-buffers.ts'

/** What the bytes of a read are: no two neighbours are the same. */
function fill(salt: number): void {
  for (let i = 0; i < sharedBuffer.length; i++) sharedBuffer[i] = (i * 7 + salt) & 0xff
}

test.each([
  ['shared', (length: number) => sharedView(length)],
  ['of its own', (length: number) => Buffer.from(sharedView(length))],
])('a part of a chunk, its memory %s, is the bytes that stand there now', (_, read) => {
  for (const [salt, length] of [10, 300, 10, 2_048, 2_049, 300, 65_536].entries()) {
    fill(salt)
    const chunk = read(length)
    for (const start of [0, 1, 2, length - 1, length, 1]) {
      for (const end of [length, length - 1]) {
        if (end < start) continue
        const part = partOf(chunk, start, end)
        expect(part.equals(chunk.subarray(start, end))).toBe(true)
        expect(part.buffer).toBe(chunk.buffer)
      }
    }
  }
})

test('views of what is read again and again are not made anew', () => {
  const part = partOf(sharedView(200), 188, 200)
  expect(partOf(sharedView(200), 188, 200)).toBe(part)
  expect(partOf(sharedView(200), 0, 200)).toBe(sharedView(200))
})
