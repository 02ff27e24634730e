import { expect, test } from 'vitest'
import { Headers } from '../http/headers.ts'
import { grpcTimeoutMs, setGrpcTimeout } from './grpc-timeout.ts'

test.each([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['3S', 3000],
  ['250m', 250],
  ['1500u', 2],
  ['1n', 1],
  ['99999999m', 99_999_999],
  ['0m', 0],
  ['100000000m', 0],
  ['m', 0],
  ['', 0],
  ['10', 0],
  ['-1m', 0],
  ['1.5S', 0],
  ['10s', 0],
])('grpc-timeout %j is %i ms', (text, ms) => {
  expect(grpcTimeoutMs(new Headers(['grpc-timeout', text]))).toBe(ms)
})

test('without the field there is none', () => {
  expect(grpcTimeoutMs(new Headers())).toBe(0)
})

test.each([
  [250, '250m'],
  [99_999_999, '99999999m'],
  [100_000_000, '100000S'],
])('%i ms is written %s', (ms, text) => {
  const headers = new Headers(['grpc-timeout', '1H'])
  setGrpcTimeout(headers, ms)
  expect(headers.combined('grpc-timeout')).toBe(text)
})
