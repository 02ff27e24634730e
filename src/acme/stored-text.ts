import { SecretText } from '../base/secret-text.ts'
import type { StoredCertificate, StoredChallenge, StoredPair } from './acme-store.ts'

/** Records are JSON texts in every store; what cannot be read counts as absent. */
export function certificateText(record: StoredCertificate): string {
  return JSON.stringify(record)
}

export function parseCertificate(text: string): StoredCertificate | null {
  const fields = parseObject(text)
  if (fields === null) return null
  const { failures, nextAttemptAtMs, error } = fields
  return {
    pair: parsePair(fields['pair']),
    failures: typeof failures === 'number' ? failures : 0,
    nextAttemptAtMs: typeof nextAttemptAtMs === 'number' ? nextAttemptAtMs : 0,
    error: typeof error === 'string' ? error : '',
  }
}

export function challengeText(challenge: StoredChallenge): string {
  const { handshake } = challenge
  const shown =
    handshake === null ? null : { certificate: handshake.certificate, key: handshake.key.reveal() }
  return JSON.stringify({ ...challenge, handshake: shown })
}

export function parseChallenge(text: string): StoredChallenge | null {
  const fields = parseObject(text)
  if (fields === null) return null
  const { token, host, keyAuthorization, expiresAtMs } = fields
  if (typeof token !== 'string' || typeof host !== 'string') return null
  if (typeof keyAuthorization !== 'string' || typeof expiresAtMs !== 'number') return null
  const shown = parsePair(fields['handshake'])
  const handshake =
    shown === null ? null : { certificate: shown.certificate, key: new SecretText(shown.key) }
  return { token, host, keyAuthorization, expiresAtMs, handshake }
}

function parsePair(value: unknown): StoredPair | null {
  if (!isObject(value)) return null
  const { certificate, key } = value
  if (typeof certificate !== 'string' || typeof key !== 'string') return null
  return { certificate, key }
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
