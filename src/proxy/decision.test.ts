import { describe, expect, test } from 'vitest'
import { type RequestSketch, requestOf } from '../../test/support/requests.ts'
import { Request } from '../http/request.ts'
import { HostTable } from '../routing/host-table.ts'
import { Route } from '../routing/route.ts'
import { compileRouteMatch } from '../routing/route-match.ts'
import { VirtualHost } from '../routing/virtual-host.ts'
import { decideHttp, NoRoute } from './decision.ts'

function route(name: string, prefix: string): Route {
  return new Route({
    name,
    origin: { kind: 'VirtualService', namespace: '', name: '', path: '', file: null, line: null },
    match: compileRouteMatch({ uri: { prefix } }).match,
    action: { type: 'direct-response', status: 200, body: Buffer.alloc(0) },
    requestHeaders: null,
    responseHeaders: null,
    filters: [],
  })
}

const routes = [route('first', '/a'), route('longer', '/a/b')]
const server = {
  name: 'http.80',
  gateways: [],
  authenticator: null,
  hosts: new HostTable([
    ['a.test', new VirtualHost('a.test:80', routes, false)],
    ['secure.test', new VirtualHost('secure.test:80', routes, true)],
  ]),
}

function decide(sketch: RequestSketch, owned = false): string {
  const decision = decideHttp(requestOf(sketch), server, () => owned)
  return decision instanceof NoRoute
    ? `${decision.status} ${decision.kind}`
    : `route ${decision.name}`
}

describe('a request on a Gateway server', () => {
  const rows: [name: string, sketch: RequestSketch, decision: string][] = [
    ['takes the first rule that matches', { authority: 'a.test', target: '/a/b' }, 'route first'],
    ['without a matching rule', { authority: 'a.test', target: '/b' }, '404 no-rule'],
    ['for an unknown host', { authority: 'b.test', target: '/a' }, '404 unknown-host'],
    [
      'in clear text where https is asked for, although no rule matches',
      { authority: 'secure.test', target: '/b' },
      '301 https-redirect',
    ],
    [
      'over https where https is asked for',
      { authority: 'secure.test', target: '/a', scheme: 'https' },
      'route first',
    ],
    ['CONNECT', { method: 'CONNECT', authority: 'a.test:443' }, '405 connect'],
    ['a strange upgrade', { authority: 'b.test', upgrade: 'strange' }, '403 foreign-upgrade'],
    ['a WebSocket', { authority: 'a.test', target: '/a', upgrade: 'websocket' }, 'route first'],
  ]
  test.each(rows)('%s', (_name, sketch, decision) => {
    expect(decide(sketch)).toBe(decision)
  })

  test('for a host of another server of the port is misdirected', () => {
    expect(decide({ authority: 'b.test' }, true)).toBe('421 misdirected')
    expect(decide({ authority: 'a.test', target: '/a' }, true)).toBe('421 misdirected')
    expect(decide({ authority: 'a.test', target: '/a' }, false)).toBe('route first')
  })

  test('with escaped slashes is sent away before its host is looked at', () => {
    const { method, scheme, authority, path, query, headers } = requestOf({ authority: 'b.test' })
    const request = new Request({
      protocol: 'HTTP/1.1',
      method,
      scheme,
      authority,
      path,
      query,
      headers,
      bodyLength: 0,
      upgrade: null,
      expectsContinue: false,
      absoluteForm: false,
      redirects: true,
    })
    expect(decideHttp(request, server, null)).toMatchObject({ kind: 'escaped-slashes' })
  })
})
