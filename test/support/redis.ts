import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { freePort } from './free-port.ts'

/** A real redis-server on a free port of the loopback interface, without persistence. */
export interface RedisServer extends AsyncDisposable {
  readonly port: number
  readonly url: string
  /** SIGSTOP: connections stay open, nothing answers. */
  freeze(): void
  /** SIGCONT */
  thaw(): void
  stop(): Promise<void>
  /** Starts again on the same port, empty. */
  restart(): Promise<void>
}

/** A replica writes a file to synchronise even so; it is deleted at once. */
const WITHOUT_FILES = ['--save', '', '--appendonly', 'no', '--rdb-del-sync-files', 'yes']

/** Another process may take the free port first. */
const START_ATTEMPTS = 5

export interface RedisServerOptions {
  readonly password?: string
  /** More of the command line. */
  readonly settings?: readonly string[]
  /** Starts a sentinel with this file instead, which it goes on writing. */
  readonly sentinelFile?: string
}

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    try {
      return await serve(port, options)
    } catch (error) {
      if (attempt === START_ATTEMPTS || isMissing(error)) throw error
    }
  }
}

async function serve(port: number, options: RedisServerOptions): Promise<RedisServer> {
  let child = await start(port, options)
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  const password = options.password === undefined ? '' : `:${options.password}@`
  return {
    port,
    url: `redis://${password}127.0.0.1:${port}`,
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    stop,
    restart: async () => {
      await stop()
      child = await start(port, options)
    },
    [Symbol.asyncDispose]: stop,
  }
}

async function start(port: number, options: RedisServerOptions): Promise<ChildProcess> {
  const settings = ['--port', String(port), '--bind', '127.0.0.1']
  if (options.sentinelFile === undefined) settings.push(...WITHOUT_FILES)
  else settings.unshift(options.sentinelFile, '--sentinel')
  if (options.settings !== undefined) settings.push(...options.settings)
  if (options.password !== undefined) settings.push('--requirepass', options.password)
  const child = spawn('redis-server', settings, { stdio: ['ignore', 'pipe', 'ignore'] })
  await ready(child)
  return child
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (/Ready to accept connections|Sentinel ID is/.test(output)) resolve()
    })
    child.once('error', (error) => {
      reject(
        isMissing(error)
          ? new Error(
              'redis-server is not installed; these tests need it (Debian: apt-get install redis-server)',
              { cause: error },
            )
          : error,
      )
    })
    child.once('exit', () => reject(new Error(`redis-server did not start: ${output}`)))
  })
}

function isMissing(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return ('code' in error && error.code === 'ENOENT') || isMissing(error.cause)
}
