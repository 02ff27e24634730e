import { createPrivateKey, X509Certificate } from 'node:crypto'

/**
 * Says what is wrong with a certificate and its key, or null when they can serve: both parse, they
 * belong together, and the certificate is not expired. Never repeats key material.
 */
export function keyPairError(certificatePem: string, keyPem: string, nowMs: number): string | null {
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
  if (certificate.validToDate.getTime() <= nowMs) {
    return `the certificate expired at ${certificate.validToDate.toISOString()}`
  }
  return null
}
