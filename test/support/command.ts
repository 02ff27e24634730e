import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { waitFor } from './wait.ts'

const ROOT = join(import.meta.dirname, '../..')
/** The command as users start it. */
export const TIDEGATE = join(ROOT, 'bin/tidegate')

/** Node needs seconds to start on a busy machine. */
const START_TIMEOUT_MS = 30_000

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Another path that leads to bin/tidegate. */
  readonly command?: string
  readonly uid?: number
}

export interface CommandResult {
  /** null when a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A running command with everything it wrote so far. Ended by SIGKILL when disposed of. */
export class RunningCommand implements AsyncDisposable {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  readonly #exited: Promise<unknown>

  constructor(child: ChildProcess) {
    this.child = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.#exited = once(child, 'close')
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name)
  }

  async exit(): Promise<CommandResult> {
    await this.#exited
    return { code: this.child.exitCode, stdout: this.stdout, stderr: this.stderr }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning) this.child.kill('SIGKILL')
    await this.#exited
  }
}

/** Only what is named here is passed on: a test must not depend on who runs it. */
function environment(extra: Readonly<Record<string, string>>): Record<string, string> {
  const { PATH = '', HOME = '', TMPDIR } = process.env
  return { PATH, HOME, ...(TMPDIR === undefined ? {} : { TMPDIR }), ...extra }
}

export function startProgram(
  program: string,
  args: readonly string[],
  { env = {}, cwd = ROOT, uid }: Omit<CommandOptions, 'command'> = {},
): RunningCommand {
  const child = spawn(program, [...args], {
    cwd,
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  return new RunningCommand(child)
}

/** Runs another program to its end. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: Omit<CommandOptions, 'command'> = {},
): Promise<CommandResult> {
  await using running = startProgram(program, args, options)
  // Awaited here: disposing of a running command kills it.
  return await running.exit()
}

function startCommand(args: readonly string[], options: CommandOptions = {}): RunningCommand {
  return startProgram(options.command ?? TIDEGATE, args, options)
}

export async function runCommand(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  await using running = startCommand(args, options)
  // Awaited here: disposing of a running command kills it.
  return await running.exit()
}

export interface ReadyListener {
  /** `*:80` or `egress` */
  readonly name: string
  readonly type: string
  readonly address: string
  readonly gatewayPorts: readonly number[]
}

/** The `ready` line of `tidegate run --log-format json`. */
export interface ReadyLine {
  readonly generation: number
  readonly listeners: readonly {
    /** `*:80` or `egress` */
    readonly name: string
    readonly type: string
    /** `127.0.0.1:41234` */
    readonly address: string
    readonly gatewayPorts: readonly number[]
  }[]
  readonly admin: string | null
  readonly status: string | null
}

export class ServingCommand extends RunningCommand {
  ready: ReadyLine = { generation: 0, listeners: [], admin: null, status: null }

  /** Objects of the process log. */
  get log(): readonly Readonly<Record<string, unknown>>[] {
    return this.stderr
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** Bound port of a listener: `*:80` or `egress`. */
  port(name: string): number {
    const found = this.ready.listeners.find((listener) => listener.name === name)
    if (found === undefined) throw new Error(`no ${name} in ${JSON.stringify(this.ready)}`)
    return Number(found.address.slice(found.address.lastIndexOf(':') + 1))
  }

  async untilLogged(message: string | RegExp): Promise<Readonly<Record<string, unknown>>> {
    return waitFor(
      `${String(message)} in the log`,
      () => {
        const found = this.log.find(({ msg }) =>
          typeof message === 'string' ? msg === message : message.test(String(msg)),
        )
        if (found === undefined && !this.isRunning) throw new Error(`it ended: ${this.stderr}`)
        return found
      },
      START_TIMEOUT_MS,
    )
  }
}

/** Starts `tidegate run` on loopback, management on free ports, and waits until it is ready. */
export async function serve(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<ServingCommand> {
  const management = ['--admin', '127.0.0.1:0', '--status', '127.0.0.1:0']
  const { child } = startCommand(['run', ...management, ...args], options)
  const serving = new ServingCommand(child)
  try {
    // The program's own line: tests read what it says, and fail where it does not.
    serving.ready = (await serving.untilLogged('ready')) as unknown as ReadyLine
  } catch (error) {
    await serving[Symbol.asyncDispose]()
    throw error
  }
  return serving
}
