import { expect, test } from 'vitest'
import { KeptHead } from './kept-head.ts'

test.each([0, 1, 4])('each message has %s fields of its own, and room for more', (count) => {
  const fields = Array.from({ length: count }, (_, i) => [`x-${i}`, `${i}`]).flat()
  const kept = new KeptHead(fields)
  for (let message = 0; message < 3; message++) {
    const own = kept.nextFields()
    expect(own).toStrictEqual(fields)
    for (let i = 0; i < 12; i++) own.push('x-more', `${message}`)
    own[0] = 'x-changed'
  }
  fields.push('x-late', '')
  expect(kept.nextFields().length).toBe(count * 2)
})

test('what differs seldom, always or never is written as it is, form after form', () => {
  const kept = new KeptHead(['accept', '*/*'])
  for (let i = 0; i < 5_000; i++) {
    const day = `${Math.floor(i / 700)}`
    const fields = [...kept.nextFields(), 'x-request-id', `id-${i}`, 'date', day, 'server', 's']
    if (i % 1_500 > 1_490) fields.push('x-more', 'm')
    const more = i % 1_500 > 1_490 ? 'x-more: m\r\n' : ''
    expect(kept.write('start\r\n', fields, 'end\r\n')).toBe(
      `start\r\naccept: */*\r\nx-request-id: id-${i}\r\ndate: ${day}\r\nserver: s\r\n${more}end\r\n\r\n`,
    )
  }
})

test('what happens later to the fields of a message does not matter', () => {
  const kept = new KeptHead([])
  for (let attempt = 1; attempt < 5; attempt++) {
    const fields = ['x-a', '1', 'x-attempts', `${attempt}`]
    expect(kept.write('', fields, '')).toBe(`x-a: 1\r\nx-attempts: ${attempt}\r\n\r\n`)
    fields[3] = `${attempt + 1}`
  }
})

test('a value that may not be written is refused where it stands alone too', () => {
  const kept = new KeptHead([])
  const write = (value: string): string | null => kept.write('', ['x-a', '1', 'x-id', value], '')
  for (const value of ['one', 'two', 'three']) expect(write(value)).toContain(`x-id: ${value}\r\n`)
  for (const value of ['a\rb', 'a\nb', 'a\0b', 'a\u010ab']) expect(write(value)).toBe(null)
  expect(write('four')).toBe('x-a: 1\r\nx-id: four\r\n\r\n')
})
