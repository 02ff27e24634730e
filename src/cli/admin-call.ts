import { request } from 'node:http'
import { type BindAddress, formatBindAddress } from '../listeners/bind-address.ts'
import { CommandError, EXIT_NOT_READY } from './exit.ts'

const TIMEOUT_MS = 10_000
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

export interface AdminAnswer {
  readonly status: number
  readonly body: string
}

/** GET `path` of a running gateway's admin API. Throws CommandError (exit 3) when nobody answers. */
export function adminGet(address: BindAddress, path: string): Promise<AdminAnswer> {
  return adminCall(address, { method: 'GET', path, timeoutMs: TIMEOUT_MS })
}

/** POST `path`: what changes something. Throws CommandError (exit 3) when nobody answers. */
export function adminPost(
  address: BindAddress,
  path: string,
  timeoutMs: number = TIMEOUT_MS,
): Promise<AdminAnswer> {
  return adminCall(address, { method: 'POST', path, timeoutMs })
}

/** GET of what is documented as JSON. Throws CommandError (exit 3) for any other answer. */
export async function adminJson<T>(address: BindAddress, path: string): Promise<T> {
  const { status, body } = await adminGet(address, path)
  if (status !== 200) throw unexpectedAnswer(`GET ${path}`, status, body)
  try {
    return JSON.parse(body) as T
  } catch {
    throw unexpectedAnswer(`GET ${path}`, status, body)
  }
}

/** How much of a strange answer is shown: it may be the page of some other server. */
const MAX_SHOWN = 200

export function unexpectedAnswer(what: string, status: number, body: string): CommandError {
  const shown = body.trim().slice(0, MAX_SHOWN)
  return new CommandError(
    `the gateway answered ${status}: ${JSON.stringify(shown)}`,
    `${what} of the admin API`,
    'is it ready, and of this version?',
    EXIT_NOT_READY,
  )
}

interface AdminRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly timeoutMs: number
}

async function adminCall(address: BindAddress, asked: AdminRequest): Promise<AdminAnswer> {
  const any = address.host === null || address.host === '0.0.0.0'
  const host = any ? '127.0.0.1' : address.host === '::' ? '::1' : address.host
  const target = formatBindAddress({ host, port: address.port })
  try {
    return await exchange(`http://${target}${asked.path}`, asked)
  } catch (error) {
    const said = error instanceof Error && error.message !== '' ? error.message : 'no connection'
    throw new CommandError(
      `no answer: ${said}`,
      target,
      'is tidegate run going, with --admin on this address?',
      EXIT_NOT_READY,
    )
  }
}

function exchange(url: string, { method, timeoutMs }: AdminRequest): Promise<AdminAnswer> {
  return new Promise((resolve, reject) => {
    const call = request(url, { method, timeout: timeoutMs, agent: false }, (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > MAX_ANSWER_BYTES) call.destroy(new Error('the answer is too long'))
        else chunks.push(chunk)
      })
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') })
      })
      response.on('error', reject)
    })
    call.on('timeout', () => call.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    call.on('error', reject)
    call.end()
  })
}
