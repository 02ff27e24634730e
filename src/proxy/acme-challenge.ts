import { Headers } from '../http/headers.ts'
import type { PendingChallenges } from '../base/pending-challenges.ts'
import { hostOf } from '../routing/host-table.ts'
import type { Exchange } from './exchange.ts'
import { sendLocalReply } from './local-reply.ts'

/**
 * Answers an HTTP-01 challenge (RFC 8555 8.3) that is pending for the host, before redirects and
 * routes. False: it is an ordinary request.
 */
export function answerAcmeChallenge(exchange: Exchange, challenges: PendingChallenges): boolean {
  const { request } = exchange
  if (request.method !== 'GET' && request.method !== 'HEAD') return false
  const text = challenges.answer(hostOf(request.authority), request.path)
  if (text === null) return false
  const headers = new Headers()
  headers.add('content-type', 'application/octet-stream')
  sendLocalReply(exchange, 200, headers, text, '', 'acme_challenge')
  return true
}
