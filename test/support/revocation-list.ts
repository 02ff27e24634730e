import { createPrivateKey, sign, X509Certificate } from 'node:crypto'
import forge from 'node-forge'
import type { Authority } from '../../certs/authority.ts'

const { asn1, pki } = forge
const { Class, Type, create } = asn1
const SHA256_WITH_RSA = '1.2.840.113549.1.1.11'
const HOUR_MS = 3_600_000

/** A revocation list of the authority with these certificates in it, as PEM (RFC 5280 5). */
export function revocationList(authority: Authority, revoked: readonly string[]): string {
  const issuer = pki.certificateFromPem(authority.certificate).subject
  const entries = revoked.map((pem) =>
    sequence([
      create(Class.UNIVERSAL, Type.INTEGER, false, serialOf(pem)),
      time(Date.now() - HOUR_MS),
    ]),
  )
  const list = sequence([
    create(Class.UNIVERSAL, Type.INTEGER, false, asn1.integerToDer(1).getBytes()),
    algorithm(),
    pki.distinguishedNameToAsn1(issuer),
    time(Date.now() - HOUR_MS),
    time(Date.now() + HOUR_MS),
    ...(entries.length === 0 ? [] : [sequence(entries)]),
  ])
  const signed = Buffer.from(asn1.toDer(list).getBytes(), 'latin1')
  const signature = sign('sha256', signed, createPrivateKey(authority.key)).toString('latin1')
  const bits = create(Class.UNIVERSAL, Type.BITSTRING, false, `\0${signature}`)
  const der = Buffer.from(asn1.toDer(sequence([list, algorithm(), bits])).getBytes(), 'latin1')
  const lines = der.toString('base64').replace(/(.{64})/g, '$1\n')
  return `-----BEGIN X509 CRL-----\n${lines.trimEnd()}\n-----END X509 CRL-----\n`
}

function sequence(parts: forge.asn1.Asn1[]): forge.asn1.Asn1 {
  return create(Class.UNIVERSAL, Type.SEQUENCE, true, parts)
}

function algorithm(): forge.asn1.Asn1 {
  const id = asn1.oidToDer(SHA256_WITH_RSA).getBytes()
  return sequence([
    create(Class.UNIVERSAL, Type.OID, false, id),
    create(Class.UNIVERSAL, Type.NULL, false, ''),
  ])
}

function time(ms: number): forge.asn1.Asn1 {
  return create(Class.UNIVERSAL, Type.UTCTIME, false, asn1.dateToUtcTime(new Date(ms)))
}

function serialOf(pem: string): string {
  const hex = new X509Certificate(pem).serialNumber
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('latin1')
  return bytes.charCodeAt(0) > 0x7f ? `\0${bytes}` : bytes
}
