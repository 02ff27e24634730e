import { hash } from 'node:crypto'
import { expect, test } from 'vitest'
import { plainConnection } from '../../test/support/exchange-records.ts'
import type { DownstreamConnection } from '../http/exchange.ts'
import {
  type EgressClient,
  type EgressControl,
  type EgressScope,
  UNKNOWN_CLIENT,
} from '../snapshot/egress-control.ts'
import { VirtualHost } from '../routing/virtual-host.ts'
import { identifyClient } from './egress-client.ts'

const scope = (name: string): EgressScope => ({ name, policy: null, sees: () => true })

const POD: EgressClient = {
  by: 'pod',
  id: 'shop/till',
  namespace: 'shop',
  serviceAccount: 'till',
  scope: scope('shop/selected'),
}
const USER: EgressClient = { ...POD, by: 'credentials', id: 'alice' }
const ANY = new VirtualHost('any', [], false)

const CONTROL: EgressControl = {
  reportOnly: false,
  refuseUnknown: false,
  namespace: 'istio-system',
  hasAudiences: false,
  tables: null,
  declarations: new Map(),
  addresses: [],
  workloads: new Map([['10.0.0.7', POD]]),
  unknown: UNKNOWN_CLIENT,
  users: null,
  scopes: new Map([['shop', scope('shop/default')]]),
  allowAny: ANY,
  blockAll: ANY,
}
const WITH_USERS: EgressControl = {
  ...CONTROL,
  users: new Map([
    ['alice', { digest: hash('sha256', 'pass:word', 'buffer'), algorithm: 'sha256', client: USER }],
  ]),
}

function from(remoteAddress: string, spiffe: string | null = null): DownstreamConnection {
  const tls =
    spiffe === null
      ? null
      : {
          serverName: null,
          protocol: 'TLSv1.3',
          cipher: '',
          clientCertificate: {
            hash: '',
            subject: 'CN=till',
            uriSans: [spiffe],
            dnsSans: [],
            certPem: '',
            chainPem: '',
            ownUri: null,
          },
        }
  return { ...plainConnection, remoteAddress, tls }
}

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`
const TILL = 'spiffe://cluster.local/ns/shop/sa/till'

/** `by id scope`, or 'refused'. */
function known(
  control: EgressControl,
  connection: DownstreamConnection,
  sent: string | null,
): string {
  const client = identifyClient(control, connection, sent)
  return client === null ? 'refused' : `${client.by} ${client.id} ${client.scope?.name ?? '-'}`
}

const cases: [
  name: string,
  control: EgressControl,
  from: DownstreamConnection,
  sent: string | null,
  expected: string,
][] = [
  ['a Pod by its address', CONTROL, from('10.0.0.7'), null, 'pod shop/till shop/selected'],
  ['nobody by another address', CONTROL, from('10.0.0.8'), null, 'unknown  -'],
  [
    'credentials that nobody asks for mean nothing',
    CONTROL,
    from('10.0.0.7'),
    basic('alice:pass:word'),
    'pod shop/till shop/selected',
  ],
  [
    'a user, before the address',
    WITH_USERS,
    from('10.0.0.7'),
    basic('alice:pass:word'),
    'credentials alice shop/selected',
  ],
  [
    'the scheme in any case',
    WITH_USERS,
    from('10.0.0.8'),
    basic('alice:pass:word').replace('Basic', 'BASIC'),
    'credentials alice shop/selected',
  ],
  [
    'a wrong password does not fall back to the address',
    WITH_USERS,
    from('10.0.0.7'),
    basic('alice:pass'),
    'refused',
  ],
  ['an unknown user', WITH_USERS, from('10.0.0.7'), basic('bob:pass:word'), 'refused'],
  ['an empty password', WITH_USERS, from('10.0.0.7'), basic('alice'), 'refused'],
  ['another scheme', WITH_USERS, from('10.0.0.7'), 'Bearer alice', 'refused'],
  [
    'credentials without end',
    WITH_USERS,
    from('10.0.0.7'),
    basic(`alice:${'x'.repeat(5000)}`),
    'refused',
  ],
  ['no credentials, but a Pod', WITH_USERS, from('10.0.0.7'), null, 'pod shop/till shop/selected'],
  [
    'a certificate, before everything',
    WITH_USERS,
    from('10.0.0.8', TILL),
    basic('alice:wrong'),
    `certificate ${TILL} shop/default`,
  ],
  [
    "a certificate of the Pod itself keeps the Pod's Sidecar",
    CONTROL,
    from('10.0.0.7', TILL),
    null,
    `certificate ${TILL} shop/selected`,
  ],
  [
    'a certificate of another workload does not',
    CONTROL,
    from('10.0.0.7', 'spiffe://cluster.local/ns/shop/sa/other'),
    null,
    'certificate spiffe://cluster.local/ns/shop/sa/other shop/default',
  ],
  [
    'a certificate without SPIFFE id says nothing',
    CONTROL,
    from('10.0.0.8', 'https://x.test'),
    null,
    'unknown  -',
  ],
  [
    'unknown clients refused',
    { ...CONTROL, refuseUnknown: true },
    from('10.0.0.8'),
    null,
    'refused',
  ],
  [
    'known ones not',
    { ...CONTROL, refuseUnknown: true },
    from('10.0.0.7'),
    null,
    'pod shop/till shop/selected',
  ],
]

test.each(cases)('%s', (_name, control, connection, sent, expected) => {
  expect(known(control, connection, sent)).toBe(expected)
})
