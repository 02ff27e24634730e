import { expect, test } from 'vitest'
import { startGateway } from '../support/gateway.ts'
import { HostileBackend } from '../support/hostile-backend.ts'
import { RawSocket } from '../support/raw-socket.ts'
import { okAnswer, RecordingBackend } from '../support/recording-backend.ts'
import { readAnswers, replay } from '../support/wire-client.ts'
import { wireRoutes } from '../support/wire-gateway.ts'
import { get, request } from './corpus/case.ts'

const COUNT = 500

test(`${COUNT} pipelined requests go upstream one at a time and are answered in order`, async () => {
  let open = 0
  let most = 0
  await using backend = await RecordingBackend.start(({ target }, { socket }) => {
    most = Math.max(most, ++open)
    setImmediate(() => {
      open--
      socket.write(okAnswer(target))
    })
    return null
  })
  await using gateway = await startGateway(wireRoutes(backend.port), { ports: [80] })
  const targets = Array.from({ length: COUNT }, (_, i) => `/${i}`)
  const bytes = targets.map((target) => request(`GET ${target} HTTP/1.1`)).join('')
  const { text } = await replay([bytes], { port: gateway.port(80) })
  expect(readAnswers(text).map(({ body }) => body)).toEqual(targets)
  expect(most).toBe(1)
  backend.rereadAll()
  expect(backend.findings).toEqual([])
})

test('garbage that comes while an answer flows never gets into it', async () => {
  await using backend = await HostileBackend.start()
  await using gateway = await startGateway(wireRoutes(backend.port), { ports: [80] })
  const body = 'x'.repeat(200)
  backend.script = (peer) => peer.drip(okAnswer(body))
  const client = await RawSocket.connect(gateway.port(80))
  client.write(get())
  await client.until('\r\n\r\nx')
  client.write('BAD\0\r\n\r\n')
  const answers = readAnswers(await client.untilEnd())
  client.destroy()
  expect(answers.map(({ status }) => status)).toEqual([200, 400])
  expect(answers[0]!.body).toBe(body)
})
