import type { IncomingMessage, ServerResponse } from 'node:http'
import { startUpstream, type Upstream } from './upstream.ts'

/** A provider with a limit of its own: so many requests in each window since its first request. */
export interface Provider extends AsyncDisposable {
  readonly upstream: Upstream
  /** Requests that it served, and that it had to refuse. */
  readonly served: number
  readonly refused: number
}

export interface ProviderLimit {
  readonly requests: number
  readonly windowMs: number
  /** Fields of an answer that leaves `remaining` requests until `resetMs` are over. */
  fields(remaining: number, resetMs: number): Readonly<Record<string, string>>
  /** Of a refusal; 429 by default. */
  readonly status?: number
}

export async function startProvider(limit: ProviderLimit): Promise<Provider> {
  let windowEnds = 0
  let used = 0
  let served = 0
  let refused = 0
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    request.resume()
    const now = performance.now()
    if (now >= windowEnds) {
      windowEnds = now + limit.windowMs
      used = 0
    }
    const fits = used < limit.requests
    if (fits) used++
    const fields = limit.fields(limit.requests - used, windowEnds - now)
    for (const [name, value] of Object.entries(fields)) response.setHeader(name, value)
    if (fits) served++
    else refused++
    response.statusCode = fits ? 200 : (limit.status ?? 429)
    response.end()
  }
  const upstream = await startUpstream(answer)
  return {
    upstream,
    get served() {
      return served
    },
    get refused() {
      return refused
    },
    [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose](),
  }
}
