import type { BindAddress } from '../listeners/bind-address.ts'
import { adminPost, unexpectedAnswer } from './admin-call.ts'
import { EXIT_OK } from './exit.ts'
import { type OutputFormat, printOutput } from './output.ts'

export interface DrainOptions {
  /** Open connections end in their own time. */
  readonly graceful: boolean
  readonly output: OutputFormat
}

/** `tidegate drain`: no new connections; does not wait for the old ones. Returns the exit status. */
export async function drain(admin: BindAddress, options: DrainOptions): Promise<number> {
  const { graceful, output } = options
  const path = graceful ? '/drain_listeners?graceful' : '/drain_listeners'
  const { status, body } = await adminPost(admin, path)
  if (status !== 200) throw unexpectedAnswer(`POST ${path}`, status, body)
  printOutput(output, { draining: true, graceful }, () => {
    const open = graceful ? 'open ones end in their own time' : 'open ones are closed'
    console.log(`draining: listeners take no new connections, ${open}`)
    console.log('this does not wait, and the process goes on: SIGTERM ends it when it is idle')
  })
  return EXIT_OK
}
