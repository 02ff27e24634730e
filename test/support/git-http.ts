import { spawn } from 'node:child_process'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { runProgram } from './command.ts'

/** Nothing of the machine's or the user's own settings. */
const OWN_SETTINGS_ONLY = {
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'test',
  GIT_AUTHOR_EMAIL: 'test@example.com',
  GIT_COMMITTER_NAME: 'test',
  GIT_COMMITTER_EMAIL: 'test@example.com',
} as const

/** Runs git and gives what it printed; throws what it said when it fails. */
export async function git(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { code, stdout, stderr } = await runProgram('git', args, {
    env: { ...OWN_SETTINGS_ONLY, ...env },
  })
  if (code !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`)
  return stdout
}

/** A bare repository `folder` with one commit on main that anybody may push to. */
export async function createRepository(folder: string, work: string): Promise<void> {
  await git(['init', '--quiet', '--bare', '--initial-branch=main', folder])
  await git(['-C', folder, 'config', 'http.receivepack', 'true'])
  await git(['init', '--quiet', '--initial-branch=main', work])
  await git(['-C', work, 'add', '.'])
  await git(['-C', work, 'commit', '--quiet', '--message', 'first'])
  await git(['-C', work, 'push', '--quiet', folder, 'main'])
}

/** Serves the repositories below `root` as `git http-backend` does behind any web server (CGI). */
export function gitHttp(root: string): RequestListener {
  return (request, response) => {
    const [path = '', query = ''] = (request.url ?? '').split('?', 2)
    const { headers } = request
    const backend = spawn('git', ['http-backend'], {
      env: {
        ...OWN_SETTINGS_ONLY,
        PATH: process.env['PATH'] ?? '',
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: '1',
        REQUEST_METHOD: request.method ?? '',
        PATH_INFO: decodeURIComponent(path),
        QUERY_STRING: query,
        CONTENT_TYPE: headers['content-type'] ?? '',
        CONTENT_LENGTH: headers['content-length'] ?? '',
        HTTP_CONTENT_ENCODING: String(headers['content-encoding'] ?? ''),
        GIT_PROTOCOL: String(headers['git-protocol'] ?? ''),
        REMOTE_ADDR: '127.0.0.1',
      },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    backend.on('error', () => response.destroy())
    backend.stdin.on('error', () => undefined)
    request.pipe(backend.stdin)
    passAnswer(request, response, backend.stdout)
  }
}

/** A CGI answer (RFC 3875 6.3): header fields, an empty line, the body. */
function passAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  output: NodeJS.ReadableStream,
): void {
  let head = Buffer.alloc(0)
  const onData = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end === -1) return
    output.off('data', onData)
    output.pause()
    for (const line of head.subarray(0, end).toString('latin1').split('\r\n')) {
      const colon = line.indexOf(':')
      const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()]
      if (name.toLowerCase() === 'status') response.statusCode = Number.parseInt(value, 10)
      else response.setHeader(name, value)
    }
    response.write(head.subarray(end + '\r\n\r\n'.length))
    output.pipe(response)
  }
  output.on('data', onData)
  output.on('end', () => {
    if (!response.headersSent) response.destroy()
    request.resume()
  })
}
