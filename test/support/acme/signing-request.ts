import { createPublicKey, verify } from 'node:crypto'
import forge from 'node-forge'
import { AcmeRefusal } from './jws.ts'

/** What a certificate signing request (RFC 2986) asks for, its signature verified. */
export interface SigningRequest {
  /** SPKI as DER. */
  readonly publicKey: Buffer
  readonly hosts: readonly string[]
}

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14'
const SUBJECT_ALT_NAME = '2.5.29.17'
/** GeneralName of a DNS name. */
const DNS_NAME_TAG = 2

export function readSigningRequest(bytes: Buffer): SigningRequest {
  const [info, , signature] = parts(forge.asn1.fromDer(bytes.toString('latin1')))
  const [, , key, attributes] = parts(info)
  const publicKey = der(key)
  const spki = createPublicKey({ key: publicKey, format: 'der', type: 'spki' })
  // A BIT STRING without unused bits.
  const signed = bits(signature)
  if (!verify('sha256', der(info), spki, signed)) {
    throw new AcmeRefusal('badCSR', 'the signature of the request does not verify')
  }
  const { asymmetricKeyType, asymmetricKeyDetails } = spki
  if (asymmetricKeyType !== 'ec' || asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new AcmeRefusal('badCSR', 'the key is not ECDSA P-256')
  }
  return { publicKey, hosts: hostsOf(attributes) }
}

function hostsOf(attributes: forge.asn1.Asn1 | undefined): readonly string[] {
  for (const attribute of parts(attributes)) {
    const [type, values] = parts(attribute)
    if (oid(type) !== EXTENSION_REQUEST) continue
    for (const extension of parts(parts(values)[0])) {
      const fields = parts(extension)
      if (oid(fields[0]) !== SUBJECT_ALT_NAME) continue
      const names = forge.asn1.fromDer(String(fields.at(-1)?.value))
      return parts(names)
        .filter(({ type: tag }) => Number(tag) === DNS_NAME_TAG)
        .map(({ value }) => String(value))
    }
  }
  return []
}

function parts(value: forge.asn1.Asn1 | undefined): forge.asn1.Asn1[] {
  if (value === undefined || !Array.isArray(value.value)) {
    throw new AcmeRefusal('badCSR', 'the request cannot be read')
  }
  return value.value
}

function der(value: forge.asn1.Asn1 | undefined): Buffer {
  if (value === undefined) throw new AcmeRefusal('badCSR', 'the request cannot be read')
  return Buffer.from(forge.asn1.toDer(value).getBytes(), 'latin1')
}

function bits(value: forge.asn1.Asn1 | undefined): Buffer {
  // forge reads what looks like DER inside: the encoding tells the bytes as they came.
  const encoded = der(value)
  const lengthBytes = encoded[1]! < 0x80 ? 1 : 1 + (encoded[1]! & 0x7f)
  return encoded.subarray(1 + lengthBytes + 1)
}

function oid(value: forge.asn1.Asn1 | undefined): string {
  return value === undefined ? '' : forge.asn1.derToOid(String(value.value))
}
