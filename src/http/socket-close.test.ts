import { afterEach, expect, test } from 'vitest'
import { socketPair } from '../../test/support/socket-pair.ts'
import { waitFor } from '../../test/support/wait.ts'
import { readShared } from './shared-read.ts'
import { strip } from './socket-close.ts'

const open: (() => void)[] = []

afterEach(() => {
  for (const close of open.splice(0).reverse()) close()
})

test('a closed socket that was stripped holds nothing; all listeners of its close still hear it', async () => {
  const [ours, theirs] = await socketPair(open)
  const heard: string[] = []
  const onChunk = (): void => {}
  ours.on('data', onChunk)
  expect(readShared(ours, { onChunk })).toBe(true)
  ours.on('close', () => {
    strip(ours)
    heard.push('first')
  })
  ours.on('close', () => heard.push('second'))
  theirs.resetAndDestroy()
  ours.on('error', () => {})
  await waitFor('the close', () => heard.length > 0)
  expect(heard).toEqual(['first', 'second'])
  expect(ours.eventNames()).toEqual(['error'])
  const kept = Object.getOwnPropertySymbols(ours).map((symbol): unknown =>
    Reflect.get(ours, symbol),
  )
  expect(kept).not.toContain(onChunk)
  // A late error of anybody's is no crash.
  expect(ours.emit('error', new Error('late'))).toBe(true)
})
