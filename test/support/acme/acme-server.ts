import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Authority } from '../../../certs/authority.ts'
import {
  AcmeRefusal,
  isBound,
  type JsonWebKey,
  type SignedRequest,
  thumbprint,
  verifyJws,
} from './jws.ts'
import { readSigningRequest } from './signing-request.ts'
import { validateHttp, validateTls } from './validation.ts'

type ChallengeType = 'http-01' | 'tls-alpn-01' | 'dns-01'

interface Account {
  readonly url: string
  readonly jwk: JsonWebKey
  readonly contact: readonly string[]
}

/** One order, with its only authorization. */
interface Order {
  readonly number: number
  readonly account: Account
  readonly host: string
  readonly token: string
  status: 'pending' | 'ready' | 'valid' | 'invalid'
  problem: string
  asked: ChallengeType | null
  certificate: string
}

export interface AcmeServerOptions {
  /** Clients have to agree to terms. Default: true. */
  readonly terms?: boolean
  readonly externalAccount?: { readonly keyId: string; readonly hmac: string }
}

/** Where the server looks, as ports of the loopback interface instead of 80 and 443. */
export interface ValidationPorts {
  readonly http?: number
  readonly tls?: number
}

/** Lifetimes of what is issued; 20 minutes, with an hour behind them already. */
const DAYS = 90
const MINUTES = 20 / (24 * 60)

/** An ACME server (RFC 8555) over TLS that verifies what clients sign and validates challenges itself. */
export class AcmeServer implements AsyncDisposable {
  /** PEM of the authority behind its own certificate. */
  readonly trust: string
  /** What it issues comes from here. */
  readonly authority: Authority
  readonly orders: Order[] = []
  readonly accounts: Account[] = []
  /** `http-01 shop.example ok`, in order. */
  readonly validations: string[] = []
  ports: ValidationPorts = {}
  /** A certificate was issued for the host. */
  onIssued: ((host: string) => void) | null = null
  /** Hosts that no order is taken for, and the orders that were not. */
  readonly refuse = new Set<string>()
  readonly refused: string[] = []
  /** Connections are cut. */
  down = false
  /** Every nonce is refused this many times more. */
  badNonces = 0
  /** The next certificate of such a host ends within minutes. */
  readonly endingSoon = new Set<string>()
  readonly #options: AcmeServerOptions
  readonly #server: Server
  readonly #nonces = new Set<string>()

  private constructor(
    server: Server,
    trust: string,
    authority: Authority,
    options: AcmeServerOptions,
  ) {
    this.#server = server
    this.trust = trust
    this.authority = authority
    this.#options = options
  }

  static async start(options: AcmeServerOptions = {}): Promise<AcmeServer> {
    const authority = Authority.create('Test ACME authority')
    const pair = authority.issue(['127.0.0.1'])
    const server = createServer({ cert: pair.certificate, key: pair.key })
    const acme = new AcmeServer(server, authority.certificate, authority, options)
    server.on('request', (request, response) => void acme.#serve(request, response))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return acme
  }

  get directory(): string {
    return `${this.#origin}/directory`
  }

  get #origin(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.down) {
      request.socket.destroy()
      return
    }
    const path = request.url ?? ''
    response.setHeader('replay-nonce', this.#nonce())
    try {
      if (path === '/directory') answer(response, 200, this.#directory())
      else if (path === '/nonce') response.writeHead(200).end()
      else await this.#serveSigned(path, request, response)
    } catch (error) {
      const refusal =
        error instanceof AcmeRefusal ? error : new AcmeRefusal('serverInternal', String(error), 500)
      const { type, message, status } = refusal
      response.setHeader('content-type', 'application/problem+json')
      answer(response, status, { type, detail: message, status })
    }
  }

  #directory(): object {
    const at = (path: string): string => `${this.#origin}/${path}`
    const { terms = true, externalAccount } = this.#options
    return {
      newNonce: at('nonce'),
      newAccount: at('new-account'),
      newOrder: at('new-order'),
      meta: {
        ...(terms ? { termsOfService: 'https://ca.example/terms' } : {}),
        externalAccountRequired: externalAccount !== undefined,
      },
    }
  }

  #nonce(): string {
    const nonce = randomBytes(16).toString('base64url')
    this.#nonces.add(nonce)
    return nonce
  }

  async #serveSigned(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    if (request.method !== 'POST') throw new AcmeRefusal('malformed', 'POST only', 405)
    if (request.headers['content-type'] !== 'application/jose+json') {
      throw new AcmeRefusal('malformed', 'application/jose+json only', 415)
    }
    const signed = verifyJws(await text(request), {
      url: this.#origin + path,
      useNonce: (nonce) => this.#nonces.delete(nonce) && --this.badNonces < 0,
      keyOf: (kid) => this.accounts.find(({ url }) => url === kid)?.jwk ?? null,
    })
    this.badNonces = Math.max(0, this.badNonces)
    if (path === '/new-account') {
      this.#newAccount(signed, response)
      return
    }
    const account = this.accounts.find(({ url }) => url === signed.kid)
    if (account === undefined) throw new AcmeRefusal('unauthorized', 'no account', 401)
    if (path === '/new-order') this.#newOrder(account, signed, response)
    else if (this.#origin + path === account.url) answer(response, 200, shown(account))
    else await this.#serveOrder(path, account, signed, response)
  }

  #newAccount({ jwk, payload }: SignedRequest, response: ServerResponse): void {
    if (jwk === null) throw new AcmeRefusal('malformed', 'jwk is missing')
    const { terms = true, externalAccount } = this.#options
    const known = this.accounts.find((one) => thumbprint(one.jwk) === thumbprint(jwk))
    if (known === undefined) {
      if (terms && payload?.['termsOfServiceAgreed'] !== true) {
        throw new AcmeRefusal('userActionRequired', 'the terms are not agreed to', 403)
      }
      if (externalAccount !== undefined) {
        const binding = payload?.['externalAccountBinding']
        if (
          binding === undefined ||
          !isBound(binding, jwk, externalAccount.keyId, externalAccount.hmac)
        ) {
          throw new AcmeRefusal('externalAccountRequired', 'no external account', 403)
        }
      }
    }
    const contact = (payload?.['contact'] ?? []) as readonly string[]
    const account = known ?? {
      url: `${this.#origin}/account/${this.accounts.length}`,
      jwk,
      contact,
    }
    if (known === undefined) this.accounts.push(account)
    response.setHeader('location', account.url)
    answer(response, known === undefined ? 201 : 200, shown(account))
  }

  #newOrder(account: Account, { payload }: SignedRequest, response: ServerResponse): void {
    const [identifier, ...others] = (payload?.['identifiers'] ?? []) as {
      type: string
      value: string
    }[]
    if (identifier?.type !== 'dns' || others.length > 0) {
      throw new AcmeRefusal('unsupportedIdentifier', 'one DNS name')
    }
    if (this.refuse.has(identifier.value)) {
      this.refused.push(identifier.value)
      throw new AcmeRefusal('rejectedIdentifier', 'the CA says no', 403)
    }
    const order: Order = {
      number: this.orders.length,
      account,
      host: identifier.value,
      token: randomBytes(24).toString('base64url'),
      status: 'pending',
      problem: '',
      asked: null,
      certificate: '',
    }
    this.orders.push(order)
    response.setHeader('location', this.#url('order', order))
    answer(response, 201, this.#shownOrder(order))
  }

  async #serveOrder(
    path: string,
    account: Account,
    signed: SignedRequest,
    response: ServerResponse,
  ): Promise<void> {
    const [, what = '', number = '', type = ''] = path.split('/')
    const order = this.orders[Number(number)]
    if (order === undefined || order.account !== account) {
      throw new AcmeRefusal('malformed', `nothing at ${path}`, 404)
    }
    if (what === 'order') answer(response, 200, this.#shownOrder(order))
    else if (what === 'authz') answer(response, 200, this.#shownAuthorization(order))
    else if (what === 'challenge') this.#ask(order, type, signed, response)
    else if (what === 'finalize') this.#finalize(order, signed, response)
    else if (what === 'certificate' && order.status === 'valid') {
      response.setHeader('content-type', 'application/pem-certificate-chain')
      response.writeHead(200).end(order.certificate)
    } else throw new AcmeRefusal('malformed', `nothing at ${path}`, 404)
  }

  #ask(order: Order, type: string, { payload }: SignedRequest, response: ServerResponse): void {
    if (payload !== null && order.asked === null) {
      order.asked = type === 'http-01' ? 'http-01' : 'tls-alpn-01'
      void this.#validate(order, order.asked)
    }
    answer(response, 200, this.#shownChallenge(order, type))
  }

  async #validate(order: Order, type: ChallengeType): Promise<void> {
    const { host, token, account } = order
    const challenge = { host, token, keyAuthorization: `${token}.${thumbprint(account.jwk)}` }
    const { http, tls } = this.ports
    const port = type === 'http-01' ? http : tls
    const check = type === 'http-01' ? validateHttp : validateTls
    const wrong = port === undefined ? `${host}: connection refused` : await check(port, challenge)
    this.validations.push(`${type} ${host} ${wrong === null ? 'ok' : 'failed'}`)
    order.problem = wrong ?? ''
    order.status = wrong === null ? 'ready' : 'invalid'
  }

  #finalize(order: Order, { payload }: SignedRequest, response: ServerResponse): void {
    if (order.status !== 'ready') throw new AcmeRefusal('orderNotReady', order.status, 403)
    const request = readSigningRequest(Buffer.from(String(payload?.['csr']), 'base64url'))
    if (request.hosts.join() !== order.host) {
      throw new AcmeRefusal('badCSR', `the request names ${request.hosts.join(', ')}`)
    }
    const days = this.endingSoon.delete(order.host) ? MINUTES : DAYS
    order.certificate = this.authority.certify(request.publicKey, request.hosts, days, 'server')
    order.status = 'valid'
    this.onIssued?.(order.host)
    answer(response, 200, this.#shownOrder(order))
  }

  #url(what: string, { number }: Order): string {
    return `${this.#origin}/${what}/${number}`
  }

  #shownOrder(order: Order): object {
    const { status, host } = order
    return {
      status,
      identifiers: [{ type: 'dns', value: host }],
      authorizations: [this.#url('authz', order)],
      finalize: this.#url('finalize', order),
      ...(status === 'valid' ? { certificate: this.#url('certificate', order) } : {}),
    }
  }

  #shownAuthorization(order: Order): object {
    const types: readonly ChallengeType[] = ['dns-01', 'http-01', 'tls-alpn-01']
    return {
      identifier: { type: 'dns', value: order.host },
      status: authorizationStatus(order),
      challenges: types.map((type) => this.#shownChallenge(order, type)),
    }
  }

  #shownChallenge(order: Order, type: string): object {
    const { token, asked, problem } = order
    const status = asked === type ? authorizationStatus(order) : 'pending'
    const error = { type: 'urn:ietf:params:acme:error:unauthorized', detail: problem }
    return {
      type,
      token,
      status,
      url: `${this.#url('challenge', order)}/${type}`,
      ...(status === 'invalid' ? { error } : {}),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

function authorizationStatus({ status }: Order): string {
  return status === 'ready' ? 'valid' : status
}

function shown({ contact }: Account): object {
  return { status: 'valid', contact }
}

function answer(response: ServerResponse, status: number, body: object): void {
  if (!response.hasHeader('content-type')) response.setHeader('content-type', 'application/json')
  response.writeHead(status).end(JSON.stringify(body))
}
