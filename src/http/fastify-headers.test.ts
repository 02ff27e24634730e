import { describe, expect, it } from 'vitest'
import { requestOf } from '../../test/support/requests.ts'
import { adoptHeaders, headerMap, type NodeHeaders } from './fastify-headers.ts'

const SENT = ['host', 'shop.test', 'x-a', '1', 'cookie', 'c=1', 'cookie', 'd=2', 'x-a', '2']

/** The request's fields after a plugin did `change` to its header map. */
function fieldsAfter(change: (map: NodeHeaders) => void): readonly string[] {
  const request = requestOf({ headers: SENT.slice(2) })
  const map: NodeHeaders = headerMap(SENT)
  change(map)
  adoptHeaders(request, SENT, map)
  return request.headers.fields
}

describe('adoptHeaders', () => {
  it.each<[string, (map: NodeHeaders) => void, string[]]>([
    ['nothing', () => {}, SENT.slice(2)],
    ['a field', (map) => (map['x-user'] = 'anna'), [...SENT.slice(2), 'x-user', 'anna']],
    ['a name in capitals', (map) => (map['X-User'] = 'anna'), [...SENT.slice(2), 'x-user', 'anna']],
    ['a number', (map) => (map['x-n'] = 7), [...SENT.slice(2), 'x-n', '7']],
    [
      'several lines',
      (map) => (map['x-n'] = ['1', '2']),
      [...SENT.slice(2), 'x-n', '1', 'x-n', '2'],
    ],
    ['another value', (map) => (map['x-a'] = '3'), ['cookie', 'c=1', 'cookie', 'd=2', 'x-a', '3']],
    ['a deletion', (map) => delete map['x-a'], ['cookie', 'c=1', 'cookie', 'd=2']],
    ['undefined', (map) => (map.cookie = undefined), ['x-a', '1', 'x-a', '2']],
  ])('takes over %s', (_what, change, fields) => {
    expect(fieldsAfter(change)).toEqual(fields)
  })

  it.each(['host', 'content-length', 'transfer-encoding', 'connection', 'te', 'expect', 'upgrade'])(
    'leaves %s to the wire',
    (name) => {
      expect(fieldsAfter((map) => (map[name] = '7'))).toEqual(SENT.slice(2))
    },
  )

  it.each([
    ['a value that splits the head', 'x-a', '1\r\nx-b: 2'],
    ['a value that no wire can carry', 'x-a', 'naïve \u{1f600}'],
    ['a name with a space', 'x a', '1'],
    ['a name that is empty', '', '1'],
    ['a pseudo field', ':path', '/'],
  ])('refuses %s', (_what, name, value) => {
    expect(() => fieldsAfter((map) => (map[name] = value))).toThrow('Invalid character')
  })
})
