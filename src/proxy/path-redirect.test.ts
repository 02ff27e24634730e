import { expect, test } from 'vitest'
import { requestOf } from '../../test/support/requests.ts'
import { followsRedirects } from './path-redirect.ts'

test.each([
  [null, true],
  ['application/json', true],
  ['application/grpc', false],
  ['application/grpc+proto', false],
  ['application/grpc; charset=utf-8', false],
  ['application/grpc-web', true],
  ['application/grpc-web-text+proto', true],
  ['application/grpcurl', true],
])('a client that sends %s follows redirects: %s', (contentType, expected) => {
  const headers = contentType === null ? [] : ['content-type', contentType]
  expect(followsRedirects(requestOf({ headers }))).toBe(expected)
})
