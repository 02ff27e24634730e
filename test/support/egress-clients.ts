import { createRequire } from 'node:module'
import { join } from 'node:path'
import { runProgram } from './command.ts'
import { SITE_ANSWER } from './egress-sites.ts'
import type { TemporaryFolder } from './folder.ts'
import { git } from './git-http.ts'

/** Where a client finds the proxy and what it needs for it. */
export interface EgressClientSetting {
  readonly egressPort: number
  readonly caFile: string
  readonly folder: TemporaryFolder
}

/** One program as users call it, through the egress port. */
export interface EgressClientCall {
  readonly name: string
  readonly program: 'curl' | 'wget' | 'git' | 'node'
  /** How the proxy sees it: `kind host:port`, as the egress ledger has them. */
  readonly asks: string
  /** Must end the output. */
  readonly prints: string
  /** Output of the program; throws what it said when it fails. */
  run(setting: EgressClientSetting): Promise<string>
}

const UPLOAD_BYTES = 3_000_000
const CURL = ['-q', '--silent', '--show-error', '--fail', '--ipv4', '--max-time', '15']
const VERSION = ['--write-out', ' %{http_version}']

/** `http`: an HTTP proxy for everything; `socks`: SOCKS5 that resolves. */
type ProxyScheme = 'http' | 'socks5h'

const proxyUrl = (scheme: ProxyScheme, { egressPort }: EgressClientSetting): string =>
  `${scheme}://127.0.0.1:${egressPort}`

async function output(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const { code, stdout, stderr } = await runProgram(program, args, { env })
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${stderr}`)
  return stdout
}

/** `variable` leads to the proxy: http_proxy, https_proxy or ALL_PROXY. */
function curl(
  variable: string,
  scheme: ProxyScheme,
  args: readonly string[],
): EgressClientCall['run'] {
  return (setting) =>
    output('curl', [...CURL, '--cacert', setting.caFile, ...VERSION, ...args], {
      [variable]: proxyUrl(scheme, setting),
    })
}

/** Goes to the egress port as if a redirect rule had sent it there. */
function redirectedCurl(args: readonly string[]): EgressClientCall['run'] {
  return ({ caFile, egressPort }) => {
    const redirect = ['--noproxy', '*', '--connect-to', `::127.0.0.1:${egressPort}`]
    return output('curl', CURL.concat(VERSION, redirect, ['--cacert', caFile], args), {})
  }
}

function upload(variable: string, scheme: ProxyScheme, url: string): EgressClientCall['run'] {
  return (setting) => {
    const file = setting.folder.write('upload', Buffer.alloc(UPLOAD_BYTES, 'u'))
    return curl(variable, scheme, ['-T', file, '--header', 'Expect: 100-continue', url])(setting)
  }
}

function wget(variable: string, url: string): EgressClientCall['run'] {
  return (setting) =>
    output(
      'wget',
      ['--no-config', '-q', '-O', '-', '-t', '1', '--ca-certificate', setting.caFile, url],
      { [variable]: proxyUrl('http', setting) },
    )
}

/** Clones, commits, pushes in chunks, and shows what a second clone has. */
function gitRoundTrip(name: string, variables: (setting: EgressClientSetting) => Env): Run {
  return async (setting) => {
    const env = { ...variables(setting), GIT_SSL_CAINFO: setting.caFile }
    const url = 'https://secure.test/repos/app.git'
    const [first, second] = [setting.folder.join(`${name}-1`), setting.folder.join(`${name}-2`)]
    await git(['clone', '--quiet', url, first], env)
    setting.folder.write(`${name}-1/added`, name)
    await git(['-C', first, 'add', 'added'], env)
    await git(['-C', first, 'commit', '--quiet', '--message', `by ${name}`], env)
    // A small buffer makes the push a chunked upload.
    await git(['-C', first, '-c', 'http.postBuffer=1000', 'push', '--quiet'], env)
    await git(['clone', '--quiet', '--depth', '1', url, second], env)
    return git(['-C', second, 'log', '--format=%s', '-1'])
  }
}

type Env = Readonly<Record<string, string>>
type Run = EgressClientCall['run']

/** A script of Node.js that prints what `fetched` gives. */
function node(script: string, variables: (setting: EgressClientSetting) => Env): Run {
  return (setting) =>
    output(process.execPath, ['--input-type=module', '--eval', script], {
      NODE_EXTRA_CA_CERTS: setting.caFile,
      PROXY: proxyUrl('http', setting),
      ...variables(setting),
    })
}

const undiciEntry = JSON.stringify(
  join(createRequire(import.meta.url).resolve('undici/package.json'), '../index.js'),
)

/** fetch through undici's ProxyAgent. */
function undici(url: string, options: string): Run {
  const script = `import undici from ${undiciEntry}
const dispatcher = new undici.ProxyAgent({ uri: process.env.PROXY, ${options} })
const answer = await undici.fetch('${url}', { dispatcher })
console.log(await answer.text(), answer.status)
await dispatcher.close()`
  return node(script, ({ caFile }) => ({ CA_FILE: caFile }))
}

/** fetch that Node.js itself sends to the proxy of the environment. */
function nodeFetch(url: string): Run {
  const script = `const answer = await fetch('${url}')
console.log(await answer.text(), answer.status)`
  return node(script, (setting) => ({
    NODE_USE_ENV_PROXY: '1',
    http_proxy: proxyUrl('http', setting),
    https_proxy: proxyUrl('http', setting),
  }))
}

const HTTP = 'http://web.test/'
const HTTPS = 'https://secure.test/'
const H2 = 'https://h2.test/'
const UPLOADED = `${UPLOAD_BYTES} bytes 1.1`

/** The clients that people have, each by the ways into the proxy that it knows. */
export const EGRESS_CLIENTS: readonly EgressClientCall[] = [
  {
    name: 'curl with http_proxy',
    program: 'curl',
    asks: 'http web.test:80',
    prints: `${SITE_ANSWER} 1.1`,
    run: curl('http_proxy', 'http', [HTTP]),
  },
  {
    name: 'curl that uploads with http_proxy',
    program: 'curl',
    asks: 'http web.test:80',
    prints: UPLOADED,
    run: upload('http_proxy', 'http', HTTP),
  },
  {
    name: 'curl with http_proxy and --proxytunnel',
    program: 'curl',
    asks: 'connect web.test:80',
    prints: `${SITE_ANSWER} 1.1`,
    run: curl('http_proxy', 'http', ['--proxytunnel', HTTP]),
  },
  {
    name: 'curl with https_proxy, HTTP/1.1 inside',
    program: 'curl',
    asks: 'connect secure.test:443',
    prints: `${SITE_ANSWER} 1.1`,
    run: curl('https_proxy', 'http', [HTTPS]),
  },
  {
    name: 'curl with https_proxy, HTTP/2 inside',
    program: 'curl',
    asks: 'connect h2.test:443',
    prints: `${SITE_ANSWER} 2`,
    run: curl('https_proxy', 'http', ['--http2', H2]),
  },
  {
    name: 'curl that uploads with https_proxy',
    program: 'curl',
    asks: 'connect secure.test:443',
    prints: UPLOADED,
    run: upload('https_proxy', 'http', HTTPS),
  },
  {
    name: 'curl with ALL_PROXY=socks5h, HTTP',
    program: 'curl',
    asks: 'socks web.test:80',
    prints: `${SITE_ANSWER} 1.1`,
    run: curl('ALL_PROXY', 'socks5h', [HTTP]),
  },
  {
    name: 'curl with ALL_PROXY=socks5h, HTTPS',
    program: 'curl',
    asks: 'socks secure.test:443',
    prints: `${SITE_ANSWER} 1.1`,
    run: curl('ALL_PROXY', 'socks5h', [HTTPS]),
  },
  {
    name: 'curl with ALL_PROXY=socks5h, HTTP/2 inside',
    program: 'curl',
    asks: 'socks h2.test:443',
    prints: `${SITE_ANSWER} 2`,
    run: curl('ALL_PROXY', 'socks5h', ['--http2', H2]),
  },
  {
    name: 'curl that uploads with ALL_PROXY=socks5h',
    program: 'curl',
    asks: 'socks secure.test:443',
    prints: UPLOADED,
    run: upload('ALL_PROXY', 'socks5h', HTTPS),
  },
  {
    name: 'curl without a proxy, redirected HTTP',
    program: 'curl',
    asks: 'http web.test:80',
    prints: `${SITE_ANSWER} 1.1`,
    run: redirectedCurl([HTTP]),
  },
  {
    name: 'curl without a proxy, redirected HTTPS',
    program: 'curl',
    asks: 'tls secure.test:443',
    prints: `${SITE_ANSWER} 1.1`,
    run: redirectedCurl([HTTPS]),
  },
  {
    name: 'curl without a proxy, redirected HTTP/2',
    program: 'curl',
    asks: 'tls h2.test:443',
    prints: `${SITE_ANSWER} 2`,
    run: redirectedCurl(['--http2', H2]),
  },
  {
    name: 'wget with http_proxy',
    program: 'wget',
    asks: 'http web.test:80',
    prints: SITE_ANSWER,
    run: wget('http_proxy', HTTP),
  },
  {
    name: 'wget with https_proxy',
    program: 'wget',
    asks: 'connect secure.test:443',
    prints: SITE_ANSWER,
    run: wget('https_proxy', HTTPS),
  },
  {
    name: 'git clone and push with https_proxy',
    program: 'git',
    asks: 'connect secure.test:443',
    prints: 'by git-http\n',
    run: gitRoundTrip('git-http', (setting) => ({ https_proxy: proxyUrl('http', setting) })),
  },
  {
    name: 'git clone and push with ALL_PROXY=socks5h',
    program: 'git',
    asks: 'socks secure.test:443',
    prints: 'by git-socks\n',
    run: gitRoundTrip('git-socks', (setting) => ({ ALL_PROXY: proxyUrl('socks5h', setting) })),
  },
  {
    name: 'undici ProxyAgent, HTTPS',
    program: 'node',
    asks: 'connect secure.test:443',
    prints: `${SITE_ANSWER} 200\n`,
    run: undici(HTTPS, ''),
  },
  {
    name: 'undici ProxyAgent, HTTP/2 inside',
    program: 'node',
    asks: 'connect h2.test:443',
    prints: `${SITE_ANSWER} 200\n`,
    run: undici(H2, 'allowH2: true, requestTls: { allowH2: true }'),
  },
  {
    name: 'undici ProxyAgent, HTTP through CONNECT',
    program: 'node',
    asks: 'connect web.test:80',
    prints: `${SITE_ANSWER} 200\n`,
    run: undici(HTTP, 'proxyTunnel: true'),
  },
  {
    name: 'undici ProxyAgent, HTTP in absolute form',
    program: 'node',
    asks: 'http web.test:80',
    prints: `${SITE_ANSWER} 200\n`,
    run: undici(HTTP, 'proxyTunnel: false'),
  },
  {
    name: 'fetch with NODE_USE_ENV_PROXY, HTTPS',
    program: 'node',
    asks: 'connect secure.test:443',
    prints: `${SITE_ANSWER} 200\n`,
    run: nodeFetch(HTTPS),
  },
]
