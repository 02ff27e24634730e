import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { BoundListener } from '../../src/process/bound-listeners.ts'
import { Gateway } from '../../src/process/gateway.ts'
import { createLog } from '../../src/process/log.ts'
import type { RunOptions } from '../../src/process/run-options.ts'

export interface TestGateway extends AsyncDisposable {
  readonly gateway: Gateway
  readonly folder: string
  /** Loopback port of the listener for a Gateway server port. */
  port(gatewayPort: number): number
  readonly egressPort: number
  listener(gatewayPort: number): BoundListener
  /** Base URL of the admin API. */
  readonly admin: string
  /** What the access log holds so far; lines are flushed once a second and at the end. */
  accessLog(): string
  /** Writes (or replaces) a file of the configuration folder. */
  write(name: string, yaml: string): void
  remove(name: string): void
  /** Reads the folder again; resolves when the change is served. */
  reload(): Promise<void>
}

export interface TestGatewayOptions extends Partial<Omit<RunOptions, 'config' | 'listen'>> {
  /** Gateway server ports to bind on free loopback ports. */
  readonly ports?: readonly number[]
  readonly egressProxy?: boolean
}

/** A gateway in this process over a temporary folder: every port free, every address loopback. */
export async function startGateway(
  yaml: string | Record<string, string>,
  options: TestGatewayOptions = {},
): Promise<TestGateway> {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-test-'))
  const write = (name: string, text: string): void => {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  const files = typeof yaml === 'string' ? { 'config.yaml': yaml } : yaml
  for (const [name, text] of Object.entries(files)) write(name, text)
  const accessLogFile = join(folder, 'access.log')
  const accessLogFd = openSync(accessLogFile, 'a')
  const ports = options.ports ?? [80, 443, 8080]
  const gateway = await Gateway.start(
    {
      watch: false,
      labels: [],
      namespace: 'istio-system',
      domain: 'cluster.local',
      locality: '',
      nodeName: '',
      egress: options.egressProxy === true ? [{ host: '127.0.0.1', port: 0 }] : [],
      egressAllow: [],
      resolvers: [],
      meshConfig: null,
      redisUrl: null,
      rateLimitConfig: null,
      trustedProxies: [],
      admin: { host: '127.0.0.1', port: 0 },
      status: { host: '127.0.0.1', port: 0 },
      plugins: [],
      compat: false,
      limits: new Map(),
      strict: false,
      drainTimeoutMs: 2000,
      drainDelayMs: 0,
      accessLogFd,
      logLevel: 'silent',
      logFormat: 'json',
      ...options,
      config: [folder],
      listen: new Map(ports.map((port) => [port, { host: '127.0.0.1', port: 0 }])),
    },
    createLog(options.logLevel ?? 'silent', 'json'),
    'test',
  ).catch((error: unknown) => {
    rmSync(folder, { recursive: true, force: true })
    throw error
  })
  const listener = (gatewayPort: number): BoundListener => {
    const found = gateway.boundListeners.find((bound) => bound.gatewayPorts.includes(gatewayPort))
    if (found === undefined) throw new Error(`nothing listens for Gateway port ${gatewayPort}`)
    return found
  }
  return {
    gateway,
    folder,
    listener,
    port: (gatewayPort) => listener(gatewayPort).port,
    get egressPort() {
      return gateway.boundListeners.find((bound) => bound.type === 'egress')!.port
    },
    get admin() {
      return `http://${gateway.adminAddress!}`
    },
    write,
    accessLog: () => readFileSync(accessLogFile, 'utf8'),
    remove: (name) => rmSync(join(folder, name)),
    reload: async () => {
      await gateway.reload('test')
    },
    async [Symbol.asyncDispose]() {
      await gateway.close()
      closeSync(accessLogFd)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
