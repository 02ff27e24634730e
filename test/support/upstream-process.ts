import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/** Answers its name to everything; prints its port once it listens. */
const PROGRAM = `
const server = require('node:http').createServer((request, response) => response.end(process.argv[2]))
server.keepAliveTimeout = 60_000
server.listen(Number(process.argv[1]), '127.0.0.1', () => console.log(server.address().port))
`

/** An upstream in a process of its own, so that it can be killed, frozen and started again. */
export class UpstreamProcess implements AsyncDisposable {
  readonly name: string
  /** The same over restarts. */
  port = 0
  #child: ChildProcess | null = null

  private constructor(name: string) {
    this.name = name
  }

  static async start(name: string): Promise<UpstreamProcess> {
    const upstream = new UpstreamProcess(name)
    await upstream.start()
    return upstream
  }

  async start(): Promise<void> {
    const args = ['-e', PROGRAM, String(this.port), this.name]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#child = child
    const [text] = (await once(child.stdout, 'data')) as [Buffer]
    this.port = Number(text.toString())
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === null) return
    this.#child = null
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}
