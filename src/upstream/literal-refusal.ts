import type { AddressGuard } from './address-guard.ts'
import { canonicalAddress } from './canonical-address.ts'

/**
 * Why a host nobody declares must not be dialled, told without a lookup; null: it may, or it is a
 * name, which is judged by what it resolves to. `localhost` needs none (RFC 6761 6.3).
 */
export function literalRefusal(
  guard: Pick<AddressGuard, 'refusal'>,
  host: string,
  port: number,
): string | null {
  const isLocal = host === 'localhost' || host.endsWith('.localhost')
  const address = isLocal ? '127.0.0.1' : canonicalAddress(host)
  if (address === null) return null
  const what = guard.refusal(address, port)
  return what === null ? null : `address ${address} (${what}) is not allowed`
}
