import { Gateway } from '../process/gateway.ts'
import { createLog } from '../process/log.ts'
import type { RunOptions } from '../process/run-options.ts'
import { StartError } from '../process/start-error.ts'
import { CommandError, EXIT_FINDINGS, EXIT_USAGE } from './exit.ts'
import { packageVersion } from './version.ts'

/** A second signal leaves this long for what is still open. */
const HURRY_MS = 1000

/** `tidegate run`: serves until SIGTERM or SIGINT, then drains. */
export async function run(options: RunOptions): Promise<void> {
  if (options.config.length === 0 && options.meshConfig === null) {
    throw new CommandError(
      'there is no configuration source',
      '-c, --config',
      'name a file or folder: tidegate run -c ./istio',
      EXIT_USAGE,
    )
  }
  const log = createLog(options.logLevel, options.logFormat)
  const gateway = await startGateway(options, log)
  process.on('SIGHUP', () => void gateway.reload('SIGHUP'))
  let signals = 0
  const stop = (signal: NodeJS.Signals): void => {
    signals++
    if (signals === 1) {
      log.info(`${signal}: draining`)
      const delayMs = signal === 'SIGINT' ? 0 : options.drainDelayMs
      void gateway.drain({ delayMs, timeoutMs: options.drainTimeoutMs }).then(() => process.exit(0))
    } else {
      log.warn(`${signal} again: exit within ${HURRY_MS} ms`)
      setTimeout(() => process.exit(0), HURRY_MS)
    }
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

async function startGateway(
  options: RunOptions,
  log: ReturnType<typeof createLog>,
): Promise<Gateway> {
  try {
    return await Gateway.start(options, log, packageVersion())
  } catch (error) {
    if (error instanceof StartError) {
      throw new CommandError(error.message, error.where, error.hint, EXIT_FINDINGS)
    }
    throw error
  }
}
