import type { Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { socketPair } from '../../test/support/socket-pair.ts'
import { waitFor } from '../../test/support/wait.ts'
import { readShared } from './shared-read.ts'

const open: (() => void)[] = []

afterEach(() => {
  for (const close of open.splice(0).reverse()) close()
})

const pair = (): Promise<[Socket, Socket]> => socketPair(open)

test('this Node lets accepted and connected sockets read into the shared buffer', async () => {
  const [accepted, client] = await pair()
  expect(readShared(accepted, () => {})).toBe(true)
  expect(readShared(client, () => {})).toBe(true)
  expect(readShared(client, () => {})).toBe(false)
})

test('reads of all sockets use one memory; bytes, pause, resume and end work', async () => {
  const memories = new Set<ArrayBufferLike>()
  const texts: [string, string] = ['', '']
  const first = await pair()
  const second = await pair()
  for (const [index, [ours]] of [first, second].entries()) {
    const taken = readShared(ours, (chunk) => {
      memories.add(chunk.buffer)
      texts[index as 0 | 1] += chunk.toString()
    })
    expect(taken).toBe(true)
    ours.resume()
  }
  first[1].write('one')
  second[1].write('two')
  await waitFor('both', () => texts[0] === 'one' && texts[1] === 'two')
  expect(memories.size).toBe(1)
  first[0].pause()
  first[1].write('more')
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(texts[0]).toBe('one')
  let ended = false
  first[0].on('end', () => (ended = true))
  first[0].resume()
  await waitFor('the rest', () => texts[0] === 'onemore')
  first[1].end()
  await waitFor('the end', () => ended)
})

test('a socket that already read by events goes over without losing a byte', async () => {
  const [ours, theirs] = await pair()
  let text = ''
  ours.once('data', (chunk: Buffer) => {
    text += chunk.toString()
    process.nextTick(() => {
      expect(readShared(ours, (later) => (text += later.toString()))).toBe(true)
    })
  })
  theirs.write('first ')
  await waitFor('the first read', () => text === 'first ')
  for (let i = 0; i < 100; i++) theirs.write(`${i} `)
  await waitFor('the rest', () => text.endsWith('99 '))
  expect(text).toBe(`first ${Array.from({ length: 100 }, (_, i) => `${i} `).join('')}`)
})

test('what is no TCP socket is left alone', async () => {
  const [ours] = await pair()
  ours.destroy()
  expect(readShared(ours, () => {})).toBe(false)
})
