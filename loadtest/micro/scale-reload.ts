import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, stopChild } from '../proxies/proxy.ts'
import { fileOf, hostOf, type Layout, scaleFiles, virtualService } from './many-services.ts'

const START_TIMEOUT_MS = 120_000
const RELOAD_TIMEOUT_MS = 30_000
const POLL_MS = 2
/** Time stamps of files just written prove nothing yet; a configuration at rest is what is measured. */
const REST_MS = 2500

/** Milliseconds from the write of one changed VirtualService to the first answer that shows it. */
export async function measureReloads(
  layout: Layout,
  size: number,
  rounds: number,
): Promise<readonly number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-scale-'))
  const port = await freePort()
  let child: ChildProcess | null = null
  const agent = new Agent({ keepAlive: true })
  try {
    const files = scaleFiles(size, layout)
    for (const { path, text } of files) writeFileSync(join(folder, path), text)
    child = startGateway(folder, port)
    const index = size >> 1
    await shows(agent, port, index, 0, START_TIMEOUT_MS)
    const times: number[] = []
    // The first change reads again what was new at the start; it is not counted.
    for (let version = 1; version <= rounds + 1; version++) {
      await new Promise((resolve) => setTimeout(resolve, REST_MS))
      const [path, text] = changedFile(files, layout, index, version)
      writeFileSync(join(folder, path), text)
      const began = performance.now()
      await shows(agent, port, index, version, RELOAD_TIMEOUT_MS)
      if (version > 1) times.push(performance.now() - began)
    }
    return times
  } finally {
    agent.destroy()
    if (child !== null) await stopChild(child)
    rmSync(folder, { recursive: true, force: true })
  }
}

function startGateway(folder: string, port: number): ChildProcess {
  const command = join(import.meta.dirname, '..', '..', 'bin', 'tidegate')
  const listen = `8080=127.0.0.1:${port}`
  const quiet = ['--admin', 'off', '--status', 'off', '--log-level', 'error']
  return spawn(command, ['run', '-c', folder, '--listen', listen, ...quiet], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

function changedFile(
  files: readonly { readonly path: string; readonly text: string }[],
  layout: Layout,
  index: number,
  version: number,
): readonly [path: string, text: string] {
  const text = virtualService(index, version)
  if (layout === 'folder') return [fileOf(index), text]
  const [file] = files
  if (file === undefined) throw new Error('there is no file')
  // A comment line more each time: everything behind it moves.
  const longer = text + '#\n'.repeat(version)
  return [file.path, file.text.replace(virtualService(index, 0), longer)]
}

async function shows(
  agent: Agent,
  port: number,
  index: number,
  version: number,
  timeoutMs: number,
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (performance.now() < deadline) {
    const body = await answer(agent, port, hostOf(index))
    if (body === `version ${version}`) return
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  throw new Error(`version ${version} was not served within ${timeoutMs} ms`)
}

function answer(agent: Agent, port: number, host: string): Promise<string | null> {
  return new Promise((resolve) => {
    const request = get(
      { host: '127.0.0.1', port, path: '/version', headers: { host }, agent },
      (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => (body += part))
        response.on('end', () => resolve(body))
        response.on('error', () => resolve(null))
      },
    )
    request.on('error', () => resolve(null))
  })
}
