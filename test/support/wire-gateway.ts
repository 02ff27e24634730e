import { Authority } from '../../certs/authority.ts'
import { type TestGateway, type TestGatewayOptions, startGateway } from './gateway.ts'
import { fieldOf, type ReadRequest } from './request-readers.ts'
import { okAnswer, RecordingBackend } from './recording-backend.ts'
import { readAnswers } from './wire-client.ts'
import { connect, type Socket } from 'node:net'
import { setTimeout as rest } from 'node:timers/promises'
import { gateway, service, virtualService } from './yaml.ts'

/** Requests for it never reach a backend: the gateway itself answers 403. */
export const GUARDED_HOST = 'locked.test'
export const GUARDED_PATH = '/admin'
export const OPEN_HOST = 'shop.test'

/** As OPEN_HOST, with a route timeout. */
export const SLOW_HOST = 'slow.test'
const HOSTS = [OPEN_HOST, GUARDED_HOST, SLOW_HOST]
const NO_RETRIES = 'retries: { attempts: 0 }'

let authority: Authority | null = null

/** One authority and one leaf for the whole process: making keys takes longer than a test. */
function wireAuthority(): { readonly ca: string; readonly secret: string } {
  authority ??= Authority.create('wire tests')
  const { certificate, key } = authority.issue(HOSTS)
  const secret = `apiVersion: v1
kind: Secret
metadata: { name: wire, namespace: istio-system }
type: kubernetes.io/tls
data:
  tls.crt: ${Buffer.from(certificate).toString('base64')}
  tls.key: ${Buffer.from(key).toString('base64')}
---
`
  return { ca: authority.certificate, secret }
}

/** The same hosts on 443, and who signed for them. */
export function wireTls(): { readonly ca: string; readonly yaml: string } {
  const { ca, secret } = wireAuthority()
  return { ca, yaml: secret + secureGateway() }
}

/** Routes of every wire test, on 80 and 443: shop.test is open, locked.test is guarded. */
export function wireRoutes(backendPort: number, rule: string = NO_RETRIES): string {
  const forward = `{ route: [{ destination: { host: backend } }], ${rule} }`
  const hasty = `{ route: [{ destination: { host: backend } }], timeout: 250ms, ${NO_RETRIES} }`
  const guard = `{ match: [{ uri: { prefix: ${GUARDED_PATH} } }], directResponse: { status: 403 } }`
  return (
    service('backend', backendPort) +
    gateway('plain', HOSTS) +
    virtualService('shop', [OPEN_HOST], ['plain', 'secure'], `  - ${forward}`) +
    virtualService('slow', [SLOW_HOST], ['plain', 'secure'], `  - ${hasty}`) +
    virtualService('locked', [GUARDED_HOST], ['plain', 'secure'], `  - ${guard}\n  - ${forward}`)
  )
}

function secureGateway(): string {
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: secure }
spec:
  servers:
  - port: { number: 443, name: https, protocol: HTTPS }
    hosts: ${JSON.stringify(HOSTS)}
    tls: { mode: SIMPLE, credentialName: wire }
---
`
}

export function meshConfig(lines: string): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    ${lines}
---
`
}

/** True for a request that only the gateway may answer: it was smuggled past it. */
export function isGuarded(request: ReadRequest): boolean {
  return (
    fieldOf(request, 'host')?.toLowerCase() === GUARDED_HOST &&
    new URL(request.target, 'http://locked.test').pathname.startsWith(GUARDED_PATH)
  )
}

/** A gateway in front of a recording backend, and other clients that must never notice anything. */
export class WireBench implements AsyncDisposable {
  readonly gateway: TestGateway
  readonly backend: RecordingBackend
  readonly ca: string
  readonly #sentinel: Sentinel
  /** Those that are busy during a case. */
  readonly #others: readonly Sentinel[]

  private constructor(gateway: TestGateway, backend: RecordingBackend, ca: string) {
    this.gateway = gateway
    this.backend = backend
    this.ca = ca
    this.#sentinel = new Sentinel(gateway.port(80))
    this.#others = [new Sentinel(gateway.port(80)), new Sentinel(gateway.port(80))]
  }

  static async start(mesh = '', options: TestGatewayOptions = {}): Promise<WireBench> {
    const backend = await RecordingBackend.start((request) => {
      const nonce = fieldOf(request, NONCE)
      return okAnswer(nonce ?? `${request.method} ${request.target}`)
    })
    const { ca, yaml } = wireTls()
    const all = mesh + yaml + wireRoutes(backend.port)
    const gateway = await startGateway(all, { ports: [80, 443], ...options })
    return new WireBench(gateway, backend, ca)
  }

  /** Two other clients ask again and again while `work` goes on, and get their own answers. */
  async amidOthers<T>(work: Promise<T>): Promise<T> {
    let isOver = false
    const over = work.finally(() => {
      isOver = true
    })
    const ask = async (other: Sentinel): Promise<void> => {
      while (!isOver) {
        await other.check()
        await rest(REST_MS)
      }
    }
    const asking = Promise.all(this.#others.map(ask))
    // Nobody asks any more when the next case begins, whatever became of this one.
    await Promise.allSettled([over, asking])
    await asking
    return over
  }

  /**
   * What reached the backend since its mark, without the sentinels' own requests. One of them goes
   * through the gateway first, so whatever an earlier client caused lies before it, and an answer
   * meant for somebody else would reach it.
   */
  async settled(): Promise<readonly ReadRequest[]> {
    await this.#sentinel.check()
    return this.backend.taken().filter((request) => fieldOf(request, NONCE) === null)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const sentinel of [this.#sentinel, ...this.#others]) sentinel.close()
    await this.gateway[Symbol.asyncDispose]()
    await this.backend[Symbol.asyncDispose]()
  }
}

/** Carries a word that its answer must repeat. */
export const NONCE = 'x-nonce'

/** A well-behaved client on a kept connection: every answer must be its own. */
export class Sentinel {
  readonly #port: number
  #socket: Socket | null = null
  #count = 0
  #text = ''
  #onText: () => void = () => {}

  constructor(port: number) {
    this.#port = port
  }

  /** Sends one request and checks that the answer carries its nonce. */
  async check(): Promise<void> {
    const nonce = `${process.pid}-${this.#port}-${this.#count++}-${Math.random()}`
    const socket = this.#open()
    this.#text = ''
    socket.write(`GET /sentinel HTTP/1.1\r\nHost: ${OPEN_HOST}\r\n${NONCE}: ${nonce}\r\n\r\n`)
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer for ${nonce}`)), SENTINEL_MS)
      this.#onText = () => {
        const whole = this.#text.includes(nonce)
        const closed = this.#socket === null
        const foreign = /\r\n\r\n[^]{8}/.test(this.#text) && !whole
        if (!whole && !closed && !foreign) return
        clearTimeout(timer)
        const answers = whole ? readAnswers(this.#text) : []
        const [answer] = answers
        if (answers.length === 1 && answer!.status === 200 && answer!.body === nonce) {
          // A connection serves only so many requests.
          if (/^connection: close$/im.test(answer!.head)) this.close()
          resolve()
        } else reject(new Error(`${JSON.stringify(this.#text)} instead of ${nonce}`))
      }
    })
  }

  #open(): Socket {
    if (this.#socket !== null) return this.#socket
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true })
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1')
      this.#onText()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      if (this.#socket !== socket) return
      this.#socket = null
      this.#onText()
    })
    return socket
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = null
  }
}

const SENTINEL_MS = 10_000
/** Between two requests of another client, so that they do not slow a long case down. */
const REST_MS = 2
