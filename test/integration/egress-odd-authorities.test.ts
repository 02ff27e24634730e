import fc from 'fast-check'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { metricOf } from '../support/admin-view.ts'
import { DialWitness, guardedAddresses, WITNESS_CLIENT } from '../support/dial-witness.ts'
import { type DnsServer, startDnsServer } from '../support/dns-server.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { oddAuthority, TURNING_NAMES } from '../support/odd-authorities.ts'
import { socksRequest } from '../support/socks.ts'
import { waitFor } from '../support/wait.ts'

const AUTHORITIES = 10_000
const BATCH = 100
const TIMEOUT_MS = 180_000
const ANSWER_MS = 30_000

const OPEN = `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "outboundTrafficPolicy: { mode: ALLOW_ANY }" }
`

let dns: DnsServer
let gw: TestGateway
beforeAll(async () => {
  dns = await startDnsServer(TURNING_NAMES)
  const limits = new Map([['egress-connect-ports', 'any']] as const)
  gw = await startGateway(OPEN, { ports: [], egressProxy: true, resolvers: [dns.address], limits })
})
afterAll(async () => {
  await gw[Symbol.asyncDispose]()
  await dns[Symbol.asyncDispose]()
})

type Way = 'absolute form' | 'origin form' | 'CONNECT' | 'SOCKS'

function bytesOf(way: Way, authority: string): Buffer {
  if (way === 'SOCKS') {
    const colon = authority.lastIndexOf(':')
    const host = authority.slice(0, colon === -1 ? undefined : colon).slice(0, 60)
    const port = Number(authority.slice(colon + 1)) & 0xffff
    const name = Buffer.from(host, 'utf8').toString('latin1')
    return Buffer.concat([Buffer.from([5, 1, 0]), socksRequest({ host: name, port })])
  }
  const line = {
    'absolute form': `GET http://${authority}/`,
    'origin form': 'GET /',
    CONNECT: `CONNECT ${authority}`,
  }[way]
  return Buffer.from(`${line} HTTP/1.1\r\nhost: ${authority}\r\nconnection: close\r\n\r\n`)
}

const SOCKS_ANSWER_BYTES = 12

/** HTTP status or SOCKS reply; -1 for a connection that ends without. */
function answerTo(way: Way, authority: string): Promise<number> {
  const to = { port: gw.egressPort, host: '127.0.0.1', localAddress: WITNESS_CLIENT }
  const socket = connect(to)
  socket.write(bytesOf(way, authority))
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0)
    socket.setTimeout(ANSWER_MS, () => reject(new Error(`no answer to ${way} ${authority}`)))
    const settle = (answer: number): void => {
      resolve(answer)
      socket.destroy()
    }
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length < SOCKS_ANSWER_BYTES) return
      settle(way === 'SOCKS' ? received[3]! : Number(received.toString('latin1', 9, 12)))
    })
    socket.on('error', () => settle(-1))
    socket.on('close', () => settle(-1))
  })
}

test(
  'ten thousand odd authorities never lead to a guarded address, and each refusal is counted',
  async () => {
    const witness = new DialWitness()
    const isGuarded = guardedAddresses()
    const answers = new Map<number, number>()
    const adminPort = Number(new URL(gw.admin).port)
    const asked = fc.tuple(
      fc.constantFrom<Way>('absolute form', 'origin form', 'CONNECT', 'SOCKS'),
      oddAuthority([80, 443, 8080, 15_000, adminPort, gw.egressPort]),
    )
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(asked, { minLength: BATCH, maxLength: BATCH }), async (batch) => {
          const before = witness.dialled.length
          const got = await Promise.all(batch.map(([way, authority]) => answerTo(way, authority)))
          for (const [i, answer] of got.entries()) {
            answers.set(answer, (answers.get(answer) ?? 0) + 1)
            const succeeded =
              batch[i]![0] === 'SOCKS' ? answer === 0 : answer >= 200 && answer < 300
            expect([batch[i], succeeded]).toEqual([batch[i], false])
          }
          expect(witness.dialled.slice(before).filter(({ host }) => isGuarded(host))).toEqual([])
        }),
        // The names' answers change with time, so a smaller example is not worth its wait.
        { numRuns: AUTHORITIES / BATCH, endOnFailure: true },
      )
    } finally {
      witness[Symbol.dispose]()
    }
    await waitFor('all to end', () => gw.gateway.activeExchanges === 0)
    // Documentation addresses (RFC 5737) are nobody's to guard: those were dialled.
    const free = witness.dialled.filter(({ host }) => host.startsWith('203.0.113.'))
    expect(free.length).toBeGreaterThan(AUTHORITIES / 100)
    const [forbidden = 0, notAllowed = 0] = [answers.get(403), answers.get(2)]
    expect(forbidden).toBeGreaterThan(AUTHORITIES / 10)
    const counted = await metricOf(gw, 'tidegate_egress_decisions_total', { verdict: 'guarded' })
    expect(counted).toBe(forbidden + notAllowed)
  },
  TIMEOUT_MS,
)
