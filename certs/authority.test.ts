import { X509Certificate } from 'node:crypto'
import { createServer, connect } from 'node:tls'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { Authority } from './authority.ts'

test('a leaf names its hosts, verifies against its authority and serves TLS', async () => {
  const authority = Authority.create('test authority')
  const leaf = authority.issue(['calcclient.com', '*.calcclient.com', '127.0.0.1'])
  const certificate = new X509Certificate(leaf.certificate)
  expect(certificate.checkIssued(new X509Certificate(authority.certificate))).toBe(true)
  expect(certificate.checkHost('calcclient.com')).toBe('calcclient.com')
  expect(certificate.checkHost('www.calcclient.com')).toBe('*.calcclient.com')
  expect(certificate.checkHost('other.com')).toBeUndefined()
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1')

  const server = createServer({ cert: leaf.certificate, key: leaf.key }, (socket) =>
    socket.end('hello'),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    servername: 'calcclient.com',
    ca: authority.certificate,
  })
  const [chunk] = (await once(client, 'data')) as [Buffer]
  expect(chunk.toString()).toBe('hello')
  client.destroy()
  server.close()
  await once(server, 'close')
})

test('two leaves have different serial numbers and keys', () => {
  const authority = Authority.create('test authority')
  const first = authority.issue(['a.test'])
  const second = authority.issue(['a.test'])
  expect(new X509Certificate(first.certificate).serialNumber).not.toBe(
    new X509Certificate(second.certificate).serialNumber,
  )
  expect(first.key).not.toBe(second.key)
})
