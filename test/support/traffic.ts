import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { text } from 'node:stream/consumers'

export interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Traffic {
  readonly port: number
  readonly count: number
  /** Requests under way at a time; 1 unless told otherwise. */
  readonly concurrency?: number
  /** `http://web-svc:8080/` goes to an egress proxy in absolute form; a path to a listener. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends requests over kept connections. Replies stand in the order of their requests. */
export async function sendMany(traffic: Traffic): Promise<Reply[]> {
  const { count, concurrency = 1 } = traffic
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency })
  const replies: Reply[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) {
      const index = next++
      replies[index] = await send(traffic, agent)
    }
  }
  try {
    await Promise.all(Array.from({ length: concurrency }, worker))
  } finally {
    agent.destroy()
  }
  return replies
}

function send(traffic: Traffic, agent: Agent): Promise<Reply> {
  const { port, url, headers = {} } = traffic
  const host = url.startsWith('http://') ? { host: new URL(url).host } : {}
  const options = { host: '127.0.0.1', port, path: url, agent, headers: { ...host, ...headers } }
  return new Promise((resolve, reject) => {
    const sent = request(options, (response) => {
      const { statusCode: status = 0, headers: received } = response
      text(response).then((body) => resolve({ status, headers: received, body }), reject)
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** How often each body came. */
export function countBodies(replies: readonly Reply[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { body } of replies) counts.set(body, (counts.get(body) ?? 0) + 1)
  return counts
}

/** Standard deviations that `hits` of `total` are away from what `share` lets expect. */
export function sigmasFrom(share: number, hits: number, total: number): number {
  return Math.abs(hits - total * share) / Math.sqrt(total * share * (1 - share))
}
