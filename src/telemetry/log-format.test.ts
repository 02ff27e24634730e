import { describe, expect, test } from 'vitest'
import { plainConnection, recordOf } from '../../test/support/exchange-records.ts'
import { requestOf } from '../../test/support/requests.ts'
import type { ExchangeRecord } from '../proxy/exchange-record.ts'
import { type AccessLogFormat, compileFormat } from './log-format.ts'

const TEXT: AccessLogFormat = { encoding: 'TEXT', textFormat: null, jsonFormat: null }
const JSON_DEFAULT: AccessLogFormat = { encoding: 'JSON', textFormat: null, jsonFormat: null }

function line(record: ExchangeRecord, wanted: AccessLogFormat = TEXT): string {
  const { format, errors } = compileFormat(wanted)
  expect(errors).toEqual([])
  return format.format(record)
}

const custom = (textFormat: string): AccessLogFormat => ({ ...TEXT, textFormat })

const tlsConnection = {
  ...plainConnection,
  remoteAddress: '2001:db8::7',
  localPort: 8443,
  tls: {
    serverName: 'shop.test',
    protocol: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    clientCertificate: null,
  },
}

const golden: { name: string; record: ExchangeRecord; expected: string }[] = [
  {
    name: 'forwarded',
    record: recordOf(),
    expected:
      '[2026-11-21T08:00:00.123Z] "GET /cart?id=1 HTTP/1.1" 200 - via_upstream - "-" 0 1834 12 11 ' +
      '"192.0.2.7" "curl/8.0" "0f8fad5b-d9cb-469f-a165-70867728950e" "shop.test" "10.0.0.9:8080" ' +
      'outbound|80||web.shop.svc.cluster.local 10.1.2.3:50000 10.1.2.3:8080 192.0.2.7:40123 - main\n',
  },
  {
    name: 'no route',
    record: recordOf({
      status: 404,
      flags: 'NR',
      details: 'route_not_found',
      bytesSent: 0,
      upstreamServiceTimeMs: -1,
      upstreamHost: '',
      upstreamLocal: '',
      cluster: null,
      clusterName: '',
      routeName: '',
      forwardedFor: null,
      endedMonotonicMs: 1000.9,
    }),
    expected:
      '[2026-11-21T08:00:00.123Z] "GET /cart?id=1 HTTP/1.1" 404 NR route_not_found - "-" 0 0 0 - ' +
      '"-" "curl/8.0" "0f8fad5b-d9cb-469f-a165-70867728950e" "shop.test" "-" - - ' +
      '10.1.2.3:8080 192.0.2.7:40123 - -\n',
  },
  {
    name: 'rewritten path behind TLS, client taken from x-forwarded-for, failed upstream',
    record: recordOf({
      connection: tlsConnection,
      clientAddress: '198.51.100.4',
      request: requestOf({ authority: 'web', target: '/v2/cart?id=1', headers: [] }),
      status: 503,
      flags: 'UF,URX',
      details: 'upstream_reset_before_response_started{connection_failure}',
      transportFailure: 'delayed connect error: 111',
      upstreamServiceTimeMs: -1,
      bytesReceived: 7,
      bytesSent: 152,
    }),
    expected:
      '[2026-11-21T08:00:00.123Z] "GET /cart?id=1 HTTP/1.1" 503 UF,URX ' +
      'upstream_reset_before_response_started{connection_failure} - ' +
      '"delayed_connect_error:_111" 7 152 12 - "192.0.2.7" "-" ' +
      '"0f8fad5b-d9cb-469f-a165-70867728950e" "web" "10.0.0.9:8080" ' +
      'outbound|80||web.shop.svc.cluster.local 10.1.2.3:50000 10.1.2.3:8443 198.51.100.4:0 ' +
      'shop.test main\n',
  },
  {
    name: 'client gone before an answer',
    record: recordOf({ status: 0, flags: 'DC', details: 'downstream_remote_disconnect' }),
    expected:
      '[2026-11-21T08:00:00.123Z] "GET /cart?id=1 HTTP/1.1" 0 DC downstream_remote_disconnect - ' +
      '"-" 0 1834 12 11 "192.0.2.7" "curl/8.0" "0f8fad5b-d9cb-469f-a165-70867728950e" "shop.test" ' +
      '"10.0.0.9:8080" outbound|80||web.shop.svc.cluster.local 10.1.2.3:50000 10.1.2.3:8080 ' +
      '192.0.2.7:40123 - main\n',
  },
  {
    name: 'CONNECT has no path',
    record: recordOf({
      request: requestOf({ method: 'CONNECT', authority: 'api.test:443', target: '' }),
      originalPath: '',
      routeName: '',
    }),
    expected:
      '[2026-11-21T08:00:00.123Z] "CONNECT - HTTP/1.1" 200 - via_upstream - "-" 0 1834 12 11 ' +
      '"192.0.2.7" "-" "0f8fad5b-d9cb-469f-a165-70867728950e" "api.test:443" "10.0.0.9:8080" ' +
      'outbound|80||web.shop.svc.cluster.local 10.1.2.3:50000 10.1.2.3:8080 192.0.2.7:40123 - -\n',
  },
]

describe('default text format', () => {
  test.each(golden)('$name', ({ record, expected }) => {
    expect(line(record)).toBe(expected)
  })
})

describe('default JSON format', () => {
  test('keeps numbers as numbers and prints null for what is absent', () => {
    expect(line(recordOf(), JSON_DEFAULT)).toBe(
      '{"start_time":"2026-11-21T08:00:00.123Z","method":"GET","path":"/cart?id=1",' +
        '"protocol":"HTTP/1.1","response_code":200,"response_flags":null,' +
        '"response_code_details":"via_upstream","connection_termination_details":null,' +
        '"upstream_transport_failure_reason":null,"bytes_received":0,"bytes_sent":1834,' +
        '"duration":12,"upstream_service_time":11,"x_forwarded_for":"192.0.2.7",' +
        '"user_agent":"curl/8.0","request_id":"0f8fad5b-d9cb-469f-a165-70867728950e",' +
        '"authority":"shop.test","upstream_host":"10.0.0.9:8080",' +
        '"upstream_cluster":"outbound|80||web.shop.svc.cluster.local",' +
        '"upstream_local_address":"10.1.2.3:50000","downstream_local_address":"10.1.2.3:8080",' +
        '"downstream_remote_address":"192.0.2.7:40123","requested_server_name":null,' +
        '"route_name":"main"}\n',
    )
  })

  test('custom keys may mix text and operators', () => {
    const wanted: AccessLogFormat = {
      encoding: 'JSON',
      textFormat: null,
      jsonFormat: {
        who: '%REQ(USER-AGENT)% "é" %REQ(X-MISSING)%',
        code: '%RESPONSE_CODE%',
        'a"b': 'x',
      },
    }
    expect(JSON.parse(line(recordOf(), wanted))).toEqual({
      who: 'curl/8.0 "é" -',
      code: 200,
      'a"b': 'x',
    })
  })
})

describe('values from outside', () => {
  const agent = (value: string): ExchangeRecord =>
    recordOf({ request: requestOf({ headers: ['user-agent', value] }) })
  const onlyAgent = custom('"%REQ(USER-AGENT)%"')

  test.each([
    { name: 'quotes and escape sequences', value: 'x"\x1b[31m', expected: '"x\\"\\u001b[31m"\n' },
    { name: 'line feeds', value: 'a\r\n[fake]', expected: '"a\\r\\n[fake]"\n' },
    { name: 'backslashes', value: 'a\\"', expected: '"a\\\\\\""\n' },
    { name: 'UTF-8', value: '\xc3\xa9', expected: '"é"\n' },
    { name: 'bytes that are no UTF-8', value: '\xff', expected: '"ÿ"\n' },
    { name: 'C1 controls', value: '\xc2\x9b31m', expected: '"\\u009b31m"\n' },
    { name: 'DEL', value: '\x7f', expected: '"\\u007f"\n' },
    { name: 'line separators', value: '\xe2\x80\xa8', expected: '"\\u2028"\n' },
    { name: 'percent signs', value: '%REQ(A)%', expected: '"%REQ(A)%"\n' },
  ])('$name stay in their line', ({ value, expected }) => {
    expect(line(agent(value), onlyAgent)).toBe(expected)
  })

  test('are cut at 4 KiB without breaking a character', () => {
    expect(line(agent('a'.repeat(5000)), onlyAgent)).toBe(`"${'a'.repeat(4096)}"\n`)
    const accents = line(agent(`a${'\xc3\xa9'.repeat(3000)}`), onlyAgent)
    expect(accents).toBe(`"a${'é'.repeat(2047)}"\n`)
  })

  test('are cut before they are escaped', () => {
    expect(line(agent('a"b'), custom('"%REQ(USER-AGENT):2%"'))).toBe('"a\\""\n')
  })

  test('give valid JSON whatever they hold', () => {
    const everyByte = String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code))
    const parsed: unknown = JSON.parse(line(agent(everyByte), JSON_DEFAULT))
    expect(parsed).toMatchObject({ user_agent: everyByte })
  })
})

describe('custom text formats', () => {
  test.each([
    ['%REQ(X-A?USER-AGENT)%', 'curl/8.0\n'],
    ['%RESP(CONTENT-TYPE)%|%RESP(ETAG)%', 'text/html|-\n'],
    ['%START_TIME(%s.%3f)%', '1795248000.123\n'],
    ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% 100%%\n', '192.0.2.7 100%\n'],
    ['%UPSTREAM_CLUSTER_RAW:8%', 'outbound\n'],
    ['%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', '10.0.0.9\n'],
    ['%GRPC_STATUS%', '-\n'],
  ])('%s', (format, expected) => {
    expect(line(recordOf(), custom(format))).toBe(expected)
  })

  test.each([
    ['%GRPC_STATUS%', 'DeadlineExceeded\n'],
    ['%GRPC_STATUS(SNAKE_STRING)%', 'DEADLINE_EXCEEDED\n'],
    ['%GRPC_STATUS_NUMBER%', '4\n'],
  ])('%s of a gRPC answer', (format, expected) => {
    expect(line(recordOf({ grpcStatus: '4' }), custom(format))).toBe(expected)
  })

  test('what is not understood is named, and the default serves', () => {
    const { format, errors } = compileFormat(custom('%NOPE% %REQ% %START_TIME(%Q)% %PROTOCOL(x)%'))
    expect(errors).toHaveLength(4)
    expect(errors[0]).toContain('%NOPE%')
    expect(format.format(recordOf())).toBe(golden[0]!.expected)
    const json = compileFormat({ encoding: 'JSON', textFormat: null, jsonFormat: { a: '50%' } })
    expect(json.errors).toEqual([expect.stringContaining('a: ')])
    expect(json.format.format(recordOf())).toContain('"response_code":200')
  })
})
