import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { DEFAULT_TIMING } from '../../src/acme/acme-settings.ts'
import { freePort } from '../support/free-port.ts'
import { startGateway } from '../support/gateway.ts'
import { startRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait.ts'

const ORDERED = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: istio-system
  annotations: { tidegate.dev/acme: 'true' }
spec:
  servers:
  - port: { number: 443, name: https, protocol: HTTPS }
    hosts: [shop.example]
    tls: { mode: SIMPLE }
`

test('CLIENT LIST tells the connections of rate limits from those of certificates', async () => {
  await using redis = await startRedis()
  const directory = `https://127.0.0.1:${await freePort()}/directory`
  await using gw = await startGateway(ORDERED, {
    ports: [443],
    redisUrl: redis.url,
    acme: {
      directory,
      email: null,
      store: 'redis',
      caFile: null,
      termsAgreed: true,
      externalAccount: null,
      timing: DEFAULT_TIMING,
    },
  })
  expect(gw.port(443)).toBeGreaterThan(0)
  const client = new Redis(redis.url)
  try {
    const names = await waitFor('both connections', async () => {
      const list = String(await client.client('LIST'))
      const found = [...list.matchAll(/ name=(\S+)/g)].map(([, name]) => name)
      return found.length >= 2 ? found : null
    })
    expect(names.toSorted()).toEqual(['tidegate-acme', 'tidegate-rate-limit'])
  } finally {
    client.disconnect()
  }
})
