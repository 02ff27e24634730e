import { request } from 'node:http'
import { type BindAddress, formatBindAddress } from '../listeners/bind-address.ts'
import { CommandError, EXIT_NOT_READY } from './exit.ts'

const TIMEOUT_MS = 3000

/** Asks a running gateway for /healthz/ready. Throws CommandError (exit 3) when it is not ready. */
export async function healthcheck(address: BindAddress): Promise<void> {
  const host = address.host === null || address.host === '0.0.0.0' ? '127.0.0.1' : address.host
  const target = formatBindAddress({ host: host === '::' ? '::1' : host, port: address.port })
  const status = await readyStatus(`http://${target}/healthz/ready`).catch((error: unknown) => {
    const reason =
      error instanceof Error && error.message !== '' ? error.message : 'connection failed'
    throw new CommandError(
      `no answer: ${reason}`,
      target,
      'is tidegate run going, with --status on this address?',
      EXIT_NOT_READY,
    )
  })
  if (status !== 200) {
    throw new CommandError(
      `not ready: HTTP ${status}`,
      target,
      'see /problems of the admin API or the log',
      EXIT_NOT_READY,
    )
  }
}

function readyStatus(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request(url, { timeout: TIMEOUT_MS, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    call.on('timeout', () => call.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
    call.on('error', reject)
    call.end()
  })
}
