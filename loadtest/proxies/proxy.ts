import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createServer, connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Scenario, TlsFiles } from '../scenario.ts'

const START_TIMEOUT_MS = 10_000
const POLL_MS = 50

/** A proxy under test, running on its own core in front of the shared backend. */
export interface RunningProxy {
  readonly pid: number
  readonly port: number
  stop(): Promise<void>
}

export interface ProxyKind {
  readonly name: string
  /** null when it can run the scenario, else why it is skipped. */
  missing(scenario: Scenario): string | null
  start(setup: ProxySetup): Promise<RunningProxy>
}

export interface ProxySetup {
  readonly backendPort: number
  readonly scenario: Scenario
  readonly tls: TlsFiles
  /** Scratch folder for configuration files. */
  readonly folder: string
  /** The core the proxy is pinned to. */
  readonly core: number
}

export function installed(command: string): boolean {
  return spawnSync('which', [command], { stdio: 'ignore' }).status === 0
}

/** A loopback port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}

/** Starts a command pinned to a core and waits until its port answers. */
export async function startPinned(
  core: number,
  command: string,
  args: readonly string[],
  port: number,
  env: NodeJS.ProcessEnv = process.env,
): Promise<RunningProxy> {
  const child = spawn('taskset', ['-c', String(core), command, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env,
  })
  await waitForPort(port, child)
  return { pid: child.pid!, port, stop: () => stopChild(child) }
}

async function waitForPort(port: number, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`the proxy exited with status ${child.exitCode}`)
    if (await answers(port)) return
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  child.kill('SIGKILL')
  throw new Error(`nothing listens on port ${port} after ${START_TIMEOUT_MS} ms`)
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 2000)
  await gone
  clearTimeout(timer)
}
