import { afterEach, expect, test } from 'vitest'
import { MAX_PAGES, MAX_SPARE_PAGES, PAGE_BYTES, WritePage } from './write-page.ts'

const BODY = Buffer.from('body')

/** Messages that were put and not freed. */
const waiting: WritePage[] = []

afterEach(() => {
  for (const page of waiting.splice(0)) page.free()
})

function put(text: string, chunk: Buffer): { page: WritePage; start: number } {
  const page = WritePage.withRoom(text.length + chunk.length)!
  waiting.push(page)
  return { page, start: page.put(text, chunk) }
}

function free(page: WritePage): void {
  waiting.splice(waiting.indexOf(page), 1)
  page.free()
}

function read(page: WritePage, start: number, length: number): string {
  return page.bytes.toString('latin1', start, start + length)
}

test('messages stand behind each other with room for their tails', () => {
  const first = put('caf\u00e9 ', BODY)
  const second = put('head ', BODY)
  expect(second.page).toBe(first.page)
  const tail = '\r\n0\r\n\r\n'
  expect(first.page.putTail(tail, first.start + 9)).toBe(true)
  expect(read(first.page, first.start, 9 + tail.length)).toBe(`caf\u00e9 body${tail}`)
  expect(read(second.page, second.start, 9)).toBe('head body')
})

test('the longest tail touches no other message, and none is longer', () => {
  const first = put('', BODY)
  const second = put('', BODY)
  const room = second.start - first.start - BODY.length
  expect(first.page.putTail('t'.repeat(room), first.start + BODY.length)).toBe(true)
  expect(read(second.page, second.start, BODY.length)).toBe('body')
  expect(first.page.putTail('t'.repeat(room + 1), first.start + BODY.length)).toBe(false)
})

test('the longest message has a tail within its page, and none is longer', () => {
  const tail = 64
  const { page, start } = put('', Buffer.alloc(PAGE_BYTES - tail, 'x'))
  expect(start).toBe(0)
  expect(page.putTail('t'.repeat(tail), PAGE_BYTES - tail)).toBe(true)
  expect(page.bytes.toString('latin1', PAGE_BYTES - tail)).toBe('t'.repeat(tail))
  expect(WritePage.withRoom(PAGE_BYTES - tail + 1)).toBeNull()
})

test('where only the tail has no room, another page is taken', () => {
  const { page } = put('', Buffer.alloc(PAGE_BYTES / 2 - 64))
  const room = PAGE_BYTES / 2
  expect(WritePage.withRoom(room - 63)).not.toBe(page)
})

test('a page is used again from its beginning when all its messages are free, not before', () => {
  const first = put('', BODY)
  const second = put('', BODY)
  free(first.page)
  const third = put('', BODY)
  expect(third.start).toBeGreaterThan(second.start)
  free(second.page)
  free(third.page)
  const fourth = put('', BODY)
  expect([fourth.page, fourth.start]).toEqual([first.page, 0])
})

test('a page that messages wait in is not handed out, however many others are used', () => {
  const slow = put('', BODY)
  const half = Buffer.alloc(PAGE_BYTES / 2, 'x')
  for (let i = 0; i < 4 * MAX_SPARE_PAGES; i++) {
    const { page } = put('', half)
    if (page !== slow.page) free(page)
  }
  expect(read(slow.page, slow.start, BODY.length)).toBe('body')
})

test('no more than so many pages wait, and all serve again when they are free', () => {
  const whole = Buffer.alloc(PAGE_BYTES / 2)
  const fill = (): number => {
    const before = waiting.length
    while (WritePage.withRoom(whole.length) !== null) put('', whole)
    return waiting.length - before
  }
  expect(fill()).toBe(MAX_PAGES)
  free(waiting[MAX_PAGES >> 1]!)
  expect(fill()).toBe(1)
  for (const page of waiting.slice()) free(page)
  expect(fill()).toBe(MAX_PAGES)
})
