import { expect, test } from 'vitest'
import { waitFor } from '../../test/support/wait.ts'
import { Breaker } from './breaker.ts'

function failTimes(breaker: Breaker, times: number): void {
  for (let i = 0; i < times; i++) breaker.failed()
}

test('five failures in a row open it; a success in between starts over', () => {
  const changes: boolean[] = []
  const breaker = new Breaker(
    () => Promise.resolve(),
    (open) => changes.push(open),
  )
  failTimes(breaker, 4)
  breaker.succeeded()
  failTimes(breaker, 4)
  expect(breaker.isOpen).toBe(false)
  failTimes(breaker, 3)
  expect(breaker.isOpen).toBe(true)
  expect(changes).toEqual([true])
  breaker.close()
})

test('probes go on until one succeeds, and that closes it', async () => {
  const changes: boolean[] = []
  let probes = 0
  const breaker = new Breaker(
    () => (++probes < 3 ? Promise.reject(new Error('down')) : Promise.resolve()),
    (open) => changes.push(open),
    () => 0.999,
  )
  failTimes(breaker, 5)
  await waitFor('the third probe', () => !breaker.isOpen)
  expect(probes).toBe(3)
  expect(changes).toEqual([true, false])
  failTimes(breaker, 4)
  expect(breaker.isOpen).toBe(false)
  breaker.close()
})

test('word that the server is back closes it without a probe', () => {
  let probes = 0
  const breaker = new Breaker(
    () => {
      probes++
      return Promise.resolve()
    },
    () => {},
  )
  failTimes(breaker, 5)
  breaker.reset()
  expect(breaker.isOpen).toBe(false)
  expect(probes).toBe(0)
  breaker.close()
})
