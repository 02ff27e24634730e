const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

export const PREFACE_DIFFERS = 0
/** All bytes so far belong to a preface, but it is not complete. */
export const PREFACE_BEGINS = 1
export const PREFACE_MATCHES = 2

/** Compares the first bytes of a connection with HTTP/2's client preface (RFC 9113 3.4). */
export function matchPreface(bytes: Buffer): number {
  const length = Math.min(bytes.length, PREFACE.length)
  for (let i = 0; i < length; i++) if (bytes[i] !== PREFACE[i]) return PREFACE_DIFFERS
  return length === PREFACE.length ? PREFACE_MATCHES : PREFACE_BEGINS
}
