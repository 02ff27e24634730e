import { describe, expect, test } from 'vitest'
import type { FailureType } from './failure.ts'
import { connectFailure, failure, remoteReset, TOO_OLD, tlsFailure } from './failures.ts'

describe('what a kind of failure means', () => {
  test.each<[FailureType, number, string, string]>([
    ['connect-refused', 503, 'UF', 'always'],
    ['connect-timeout', 503, 'UF', 'always'],
    ['connect-error', 503, 'UF', 'always'],
    ['tls-error', 503, 'UF', 'always'],
    ['dns-failure', 503, 'DF', 'no'],
    ['reset-before-headers', 503, 'UC', 'if-reused'],
    ['reset-after-headers', 503, 'UC', 'no'],
    ['protocol-error', 502, 'UPE', 'no'],
    ['overflow', 503, 'UO', 'no'],
    ['no-endpoint', 503, 'UH', 'no'],
    ['timeout', 504, 'UT', 'no'],
    ['refused-stream', 503, 'UR', 'always'],
    ['address-refused', 502, 'UF', 'no'],
  ])('%s: %i %s, retryable: %s', (type, status, flag, retryable) => {
    expect(failure(type)).toMatchObject({ type, status, flag, retryable })
  })

  test('a stream the peer reset is told from a connection it closed', () => {
    expect(remoteReset('reset-before-headers')).toMatchObject({ flag: 'UR', retryable: 'no' })
  })

  test('a raw connection that reached its age is DT', () => {
    expect(TOO_OLD).toMatchObject({ flag: 'DT', retryable: 'no' })
  })
})

function systemError(code: string, errno: number): Error {
  return Object.assign(new Error(`connect ${code}`), { code, errno: -errno })
}

describe('the error of a socket that was not connected', () => {
  test.each<[string, number, FailureType]>([
    ['ECONNREFUSED', 111, 'connect-refused'],
    ['ETIMEDOUT', 110, 'connect-timeout'],
    ['EHOSTUNREACH', 113, 'connect-error'],
    ['EMFILE', 24, 'overflow'],
    ['ENFILE', 23, 'overflow'],
  ])('%s (%i) is %s', (code, errno, type) => {
    expect(connectFailure(systemError(code, errno))).toMatchObject({
      type,
      transportReason: `delayed connect error: ${errno}`,
    })
  })

  test('of several addresses is the first one', () => {
    const errors = [systemError('ECONNREFUSED', 111), systemError('EHOSTUNREACH', 113)]
    expect(connectFailure(new AggregateError(errors, ''))).toMatchObject({
      type: 'connect-refused',
      transportReason: 'delayed connect error: 111',
    })
  })
})

describe('an error within the TLS handshake names the check', () => {
  test.each([
    [
      'CERT_HAS_EXPIRED',
      'CERTIFICATE_VERIFY_FAILED: the certificate has expired (CERT_HAS_EXPIRED)',
    ],
    ['CERT_REVOKED', 'CERTIFICATE_VERIFY_FAILED: the certificate is revoked (CERT_REVOKED)'],
    ['UNABLE_TO_GET_CRL', 'CERTIFICATE_VERIFY_FAILED: no revocation list of its issuer is given'],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'TLS_error: TLSV1_ALERT_UNKNOWN_CA'],
    ['ECONNRESET', 'the peer closed the connection during the handshake'],
  ])('%s', (code, reason) => {
    const found = tlsFailure(Object.assign(new Error(code), { code }))
    expect(found.type).toBe('tls-error')
    expect(found.transportReason).toContain(reason)
  })
})
