import { hash, type X509Certificate } from 'node:crypto'
import { get } from 'node:http'
import { connect } from 'node:tls'

/** The challenge of a host as the server keeps it. */
export interface AskedChallenge {
  readonly host: string
  readonly token: string
  /** Token and thumbprint of the account key. */
  readonly keyAuthorization: string
}

const TIMEOUT_MS = 5000

/** RFC 8555 8.3: what is wrong with the answer, or null. */
export function validateHttp(port: number, challenge: AskedChallenge): Promise<string | null> {
  const { host, token, keyAuthorization } = challenge
  const path = `/.well-known/acme-challenge/${token}`
  const options = { host: '127.0.0.1', port, path, headers: { host }, timeout: TIMEOUT_MS }
  return new Promise((resolve) => {
    const request = get({ ...options, agent: false }, (response) => {
      let body = ''
      response.setEncoding('latin1').on('data', (text: string) => (body += text))
      response.on('end', () => {
        const { statusCode = 0 } = response
        if (statusCode !== 200) resolve(`${host}${path}: status ${statusCode}`)
        else resolve(body.trimEnd() === keyAuthorization ? null : `${host}${path}: said ${body}`)
      })
    })
    request.once('timeout', () => request.destroy(new Error('timeout')))
    request.once('error', (error) => resolve(`${host}${path}: ${error.message}`))
  })
}

/** RFC 8737 3: what is wrong with the handshake, or null. */
export function validateTls(port: number, challenge: AskedChallenge): Promise<string | null> {
  const { host } = challenge
  const socket = connect({
    host: '127.0.0.1',
    port,
    servername: host,
    ALPNProtocols: ['acme-tls/1'],
    rejectUnauthorized: false,
    timeout: TIMEOUT_MS,
  })
  return new Promise((resolve) => {
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate()
      const wrong =
        socket.alpnProtocol !== 'acme-tls/1'
          ? `no acme-tls/1 but ${String(socket.alpnProtocol)}`
          : certificate === undefined
            ? 'no certificate'
            : wrongCertificate(certificate, challenge)
      resolve(wrong === null ? null : `${host}: ${wrong}`)
      socket.destroy()
    })
    socket.once('timeout', () => socket.destroy(new Error('timeout')))
    socket.once('error', (error) => resolve(`${host}: ${error.message}`))
  })
}

/** id-pe-acmeIdentifier 1.3.6.1.5.5.7.1.31, critical, an OCTET STRING of 32 bytes in one of 34. */
const ACME_IDENTIFIER = Buffer.from('06082b0601050507011f0101ff04220420', 'hex')
const DIGEST_BYTES = 32

function wrongCertificate(certificate: X509Certificate, challenge: AskedChallenge): string | null {
  if (certificate.subjectAltName !== `DNS:${challenge.host}`) {
    return `subjectAltName is ${certificate.subjectAltName}`
  }
  if (!certificate.verify(certificate.publicKey)) return 'the certificate is not self-signed'
  const at = certificate.raw.indexOf(ACME_IDENTIFIER)
  if (at === -1) return 'no critical acmeIdentifier extension'
  const start = at + ACME_IDENTIFIER.length
  const digest = certificate.raw.subarray(start, start + DIGEST_BYTES).toString('hex')
  return digest === hash('sha256', challenge.keyAuthorization) ? null : 'another digest'
}
