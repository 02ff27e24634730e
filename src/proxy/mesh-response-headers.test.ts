import { expect, test } from 'vitest'
import { Headers } from '../http/headers.ts'
import { dropMeshHeaders } from './mesh-response-headers.ts'

test.each<[name: string, fields: string[], left: string[]]>([
  ['nothing', [], []],
  ['only theirs', ['x-envoy-peer-metadata', 'a', 'x-envoy-peer-metadata-id', 'b'], []],
  [
    'repeated, among others',
    ['x-a', '1', 'x-envoy-decorator-operation', 'a', 'b', '2', 'x-envoy-decorator-operation', 'c'],
    ['x-a', '1', 'b', '2'],
  ],
  ['names that begin alike', ['x-envoy-peer', '1', 'x', '2'], ['x-envoy-peer', '1', 'x', '2']],
])('%s', (_name, fields, left) => {
  const headers = new Headers(fields)
  dropMeshHeaders(headers)
  expect(headers.fields).toEqual(left)
})
