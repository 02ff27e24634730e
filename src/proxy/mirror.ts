import type { Headers } from '../http/headers.ts'
import type { MirrorPlan } from '../routing/mirror-plan.ts'
import type { Exchange } from './exchange.ts'
import { MirrorAttempt } from './mirror-attempt.ts'
import { MirrorRequest, mirrorHeaders, shadowAuthority } from './mirror-request.ts'
import type { BodyShadow } from './request-body.ts'

/** The shadows of one exchange: each hears the body of the request as it comes. */
class ShadowGroup implements BodyShadow {
  readonly #shadows: MirrorAttempt[]

  constructor() {
    this.#shadows = []
  }

  add(shadow: MirrorAttempt): void {
    this.#shadows.push(shadow)
  }

  start(): void {
    for (let i = 0; i < this.#shadows.length; i++) this.#shadows[i]!.start()
  }

  onBody(chunk: Buffer): void {
    for (let i = 0; i < this.#shadows.length; i++) this.#shadows[i]!.body(chunk)
  }

  onEnd(trailers: Headers | null): void {
    for (let i = 0; i < this.#shadows.length; i++) this.#shadows[i]!.end(trailers)
  }

  onAbort(): void {
    for (let i = 0; i < this.#shadows.length; i++) this.#shadows[i]!.abort()
  }
}

/**
 * Draws for each mirror and copies the request, which is as it goes upstream, for those that won.
 * The shadows are to be started after the first attempt: the request itself comes first to a
 * connection. null: there are none; upgrades and CONNECT have none ever.
 */
export function prepareShadows(
  exchange: Exchange,
  plans: readonly MirrorPlan[],
  timeoutMs: number,
): ShadowGroup | null {
  const { request, runtime } = exchange
  if (request.upgrade !== null || request.method === 'CONNECT') return null
  const { mirrors } = runtime
  const { clientAddress } = exchange
  let group: ShadowGroup | null = null
  let headers: Headers | null = null
  for (let i = 0; i < plans.length; i++) {
    const plan = plans[i]!
    const cluster = plan.cluster === null ? null : plan.cluster.runtime
    if (cluster === null) continue
    if (plan.chance < 1 && runtime.random() >= plan.chance) continue
    if (!mirrors.admits()) continue
    headers ??= mirrorHeaders(exchange)
    group ??= new ShadowGroup()
    const authority = plan.suffixesHost ? shadowAuthority(request.authority) : request.authority
    const copy = new MirrorRequest(request, authority, headers)
    const origin = { clientAddress, query: request.query, timeoutMs }
    group.add(new MirrorAttempt(mirrors, cluster, copy, origin))
  }
  if (group !== null && exchange.body !== null) exchange.body.shadowWith(group)
  return group
}
