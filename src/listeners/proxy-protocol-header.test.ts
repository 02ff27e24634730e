import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_V2_PAYLOAD_BYTES, parseProxyHeader } from './proxy-protocol-header.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'
const v2 = (versionAndCommand: string, family: string, payload: string): Buffer => {
  const body = Buffer.from(payload, 'hex')
  const length = body.length.toString(16).padStart(4, '0')
  return Buffer.from(`${SIGNATURE}${versionAndCommand}${family}${length}${payload}`, 'hex')
}
/** 192.0.2.7:40000 to 198.51.100.1:443. */
const INET = 'c0000207c63364019c4001bb'
/** [2001:db8::7]:40000 to [2001:db8::1]:443. */
const INET6 = `20010db8${'0'.repeat(22)}0720010db8${'0'.repeat(22)}019c4001bb`
const MAPPED = `${'0'.repeat(20)}ffffc0000207${'0'.repeat(20)}ffffc63364019c4001bb`
const TLV = '03000401020304'

const IPV4_PEER = {
  remoteAddress: '192.0.2.7',
  remotePort: 40000,
  localAddress: '198.51.100.1',
  localPort: 443,
}
const IPV6_PEER = { ...IPV4_PEER, remoteAddress: '2001:db8::7', localAddress: '2001:db8::1' }

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')

describe('a PROXY header', () => {
  test.each([
    ['v1 TCP4', latin1('PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n'), IPV4_PEER],
    ['v1 TCP6', latin1('PROXY TCP6 2001:DB8:0:0::7 2001:db8::1 40000 443\r\n'), IPV6_PEER],
    ['v1 UNKNOWN', latin1('PROXY UNKNOWN\r\n'), null],
    ['v1 UNKNOWN with addresses', latin1('PROXY UNKNOWN ffff:f::1 ffff::2 1 2\r\n'), null],
    ['v2 IPv4', v2('21', '11', INET), IPV4_PEER],
    ['v2 IPv4 with TLVs', v2('21', '11', INET + TLV), IPV4_PEER],
    ['v2 IPv4 with an empty TLV and another', v2('21', '11', `${INET}040000${TLV}`), IPV4_PEER],
    ['v2 IPv6', v2('21', '21', INET6), IPV6_PEER],
    ['v2 IPv6 with TLVs', v2('21', '21', INET6 + TLV + TLV), IPV6_PEER],
    ['v2 IPv4-mapped IPv6', v2('21', '21', MAPPED), IPV4_PEER],
    ['v2 LOCAL', v2('20', '00', ''), null],
    ['v2 LOCAL with addresses to skip', v2('20', '11', INET), null],
    ['v2 LOCAL with anything to skip', v2('20', '11', `${INET}03`), null],
    ['v2 UNSPEC', v2('21', '00', ''), null],
    ['v2 UNSPEC with anything to skip', v2('21', '00', '0300'), null],
    ['v2 unix', v2('21', '31', '00'.repeat(216)), null],
    ['v2 unix with TLVs', v2('21', '31', '00'.repeat(216) + TLV), null],
  ])('%s', (_name, bytes, peer) => {
    const header = { type: 'header', length: bytes.length, peer }
    expect(parseProxyHeader(bytes)).toEqual(header)
    expect(parseProxyHeader(Buffer.concat([bytes, latin1('GET / HTTP/1.1\r\n')]))).toEqual(header)
    for (let length = 0; length < bytes.length; length++) {
      expect(parseProxyHeader(bytes.subarray(0, length))).toEqual({ type: 'incomplete' })
    }
  })

  test.each([
    ['HTTP', latin1('GET / HTTP/1.1\r\n')],
    ['TLS', Buffer.from('16030100', 'hex')],
    ['lower case', latin1('proxy TCP4 192.0.2.7 198.51.100.1 40000 443\r\n')],
    ['another family', latin1('PROXY TCP5 192.0.2.7 198.51.100.1 40000 443\r\n')],
    ['addresses of the other family', latin1('PROXY TCP6 192.0.2.7 198.51.100.1 40000 443\r\n')],
    ['a name', latin1('PROXY TCP4 localhost 198.51.100.1 40000 443\r\n')],
    ['a zone', latin1('PROXY TCP6 fe80::1%eth0 fe80::2 40000 443\r\n')],
    ['a port too large', latin1('PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n')],
    ['a port with a sign', latin1('PROXY TCP4 192.0.2.7 198.51.100.1 +1 443\r\n')],
    ['a port with a leading zero', latin1('PROXY TCP4 192.0.2.7 198.51.100.1 040 443\r\n')],
    ['two spaces', latin1('PROXY TCP4  192.0.2.7 198.51.100.1 40000 443\r\n')],
    ['a word more', latin1('PROXY TCP4 192.0.2.7 198.51.100.1 40000 443 1\r\n')],
    ['a line without end', latin1(`PROXY TCP4 ${'1'.repeat(200)}`)],
    ['version 1 in binary', v2('11', '11', INET)],
    ['another command', v2('22', '11', INET)],
    ['another family in binary', v2('21', '41', INET)],
    ['addresses cut short', v2('21', '11', INET.slice(2))],
    ['IPv6 addresses cut short', v2('21', '21', INET)],
    ['a TLV longer than the payload', v2('21', '11', `${INET}03000501020304`)],
    ['a TLV without its length', v2('21', '11', `${INET}0300`)],
    ['a byte behind the TLVs', v2('21', '21', `${INET6}${TLV}00`)],
    ['a TLV of unix addresses cut short', v2('21', '31', `${'00'.repeat(216)}030001`)],
    ['a payload beyond bounds', v2('21', '11', '00'.repeat(MAX_V2_PAYLOAD_BYTES + 1))],
  ])('is malformed: %s', (_name, bytes) => {
    expect(parseProxyHeader(bytes)).toEqual({ type: 'malformed' })
  })

  test('any bytes are judged without a throw, and none is read beyond what is there', () => {
    const beginning = fc.constantFrom('', 'PROXY ', 'PROXY TCP4 ', '\r\n\r\n\0\r\nQUIT\n!\x11')
    fc.assert(
      fc.property(beginning, fc.uint8Array({ maxLength: 300 }), (start, rest) => {
        const bytes = Buffer.concat([latin1(start), rest])
        const header = parseProxyHeader(bytes)
        if (header.type === 'header') expect(header.length).toBeLessThanOrEqual(bytes.length)
      }),
      { numRuns: 500 },
    )
  })
})
