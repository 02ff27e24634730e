import { createPrivateKey, X509Certificate } from 'node:crypto'

/**
 * Says what is wrong with a certificate and its key, or null when they can serve: both parse, and they
 * belong together. Never repeats key material.
 */
export function keyPairError(certificatePem: string, keyPem: string): string | null {
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(certificatePem)
  } catch {
    return 'the certificate is not a PEM certificate'
  }
  try {
    const key = createPrivateKey(keyPem)
    if (!certificate.checkPrivateKey(key))
      return 'the private key does not belong to the certificate'
  } catch {
    return 'the private key is not a PEM private key without passphrase'
  }
  return null
}

/** Says since when a certificate is expired, or null. It is served all the same: clients judge it. */
export function expiryNotice(certificatePem: string, nowMs: number): string | null {
  const { validToDate } = new X509Certificate(certificatePem)
  if (validToDate.getTime() > nowMs) return null
  return `the certificate expired at ${validToDate.toISOString()}; clients will refuse it`
}
