import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Scenario } from './scenario.ts'

/** No load generator runs longer, whatever it thinks. */
const LOAD_LIMIT_MS = 60_000

export interface LoadResult {
  readonly requests: number
  readonly requestsPerSecond: number
  /** NaN when the tool does not tell. */
  readonly p99Ms: number
}

export interface Load {
  readonly scenario: Scenario
  readonly port: number
  readonly seconds: number
  readonly connections: number
  /** The core the load generator is pinned to. */
  readonly core: number
}

/** As much as the proxy takes: wrk for HTTP/1.1, h2load for HTTP/2. Any failed request is an error. */
export function fullLoad(load: Load): Promise<LoadResult> {
  return load.scenario.http2 ? h2Load(load) : wrkLoad(load)
}

async function wrkLoad(load: Load): Promise<LoadResult> {
  const { scenario, port, seconds, connections } = load
  const output = await pinned(load.core, 'wrk', [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--latency',
    '-H',
    'Host: bench.test',
    ...(scenario.fields ?? []).flatMap((field) => ['-H', field]),
    `${scenario.tls ? 'https' : 'http'}://127.0.0.1:${port}/`,
  ])
  const errors = /Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)/.exec(output)
  if (errors !== null) throw new Error(`load on port ${port}: ${errors[0]}`)
  return {
    requests: numberIn(/(\d+) requests in/, output),
    requestsPerSecond: numberIn(/Requests\/sec:\s+([\d.]+)/, output),
    p99Ms: milliseconds(/99%\s+([\d.]+)(us|ms|s)/.exec(output)),
  }
}

async function h2Load(load: Load): Promise<LoadResult> {
  const { port, seconds, connections } = load
  const output = await pinned(load.core, 'h2load', [
    '-t1',
    `-c${connections}`,
    '-m1',
    `-D${seconds}`,
    '-H',
    ':authority: bench.test',
    `https://127.0.0.1:${port}/`,
  ])
  const failed = numberIn(/(\d+) failed/, output)
  if (failed > 0) throw new Error(`load on port ${port}: ${failed} requests failed`)
  const requests = numberIn(/requests: (\d+) total/, output)
  return { requests, requestsPerSecond: requests / seconds, p99Ms: Number.NaN }
}

/** A fixed rate over HTTP/1.1; p99 from the time of every single request. */
export async function pacedLoad(
  load: Load,
  requestsPerSecond: number,
  folder: string,
): Promise<LoadResult> {
  const log = join(folder, 'paced.log')
  rmSync(log, { force: true })
  const perClient = Math.max(1, Math.round(requestsPerSecond / load.connections))
  const output = await pinned(load.core, 'h2load', [
    '--h1',
    '-t1',
    `-c${load.connections}`,
    `-n${perClient * load.connections * load.seconds}`,
    `--rps=${perClient}`,
    `--log-file=${log}`,
    // Not as a header: the tool sends that one beside the Host it makes from the address.
    `--connect-to=127.0.0.1:${load.port}`,
    'http://bench.test/',
  ])
  const good = numberIn(/status codes: (\d+) 2xx/, output)
  if (good !== perClient * load.connections * load.seconds)
    throw new Error(`paced load on port ${load.port}: only ${good} good answers`)
  const times = readFileSync(log, 'latin1')
    .split('\n')
    .map((line) => Number(line.split('\t')[2]))
    .filter((time) => time > 0)
    .toSorted((a, b) => a - b)
  return {
    requests: times.length,
    requestsPerSecond: times.length / load.seconds,
    p99Ms: (times[Math.floor(times.length * 0.99)] ?? Number.NaN) / 1000,
  }
}

async function pinned(core: number, command: string, args: readonly string[]): Promise<string> {
  const child = spawn('taskset', ['-c', String(core), command, ...args])
  const limit = setTimeout(() => child.kill('SIGKILL'), LOAD_LIMIT_MS)
  let output = ''
  child.stdout.on('data', (text: Buffer) => (output += text.toString()))
  child.stderr.on('data', (text: Buffer) => (output += text.toString()))
  await new Promise<void>((resolve) => child.once('exit', () => resolve()))
  clearTimeout(limit)
  return output
}

function numberIn(pattern: RegExp, text: string): number {
  return Number(pattern.exec(text)?.[1] ?? 0)
}

function milliseconds(match: RegExpExecArray | null): number {
  if (match === null) return Number.NaN
  const value = Number(match[1])
  return match[2] === 'us' ? value / 1000 : match[2] === 's' ? value * 1000 : value
}
