import { describe, expect, test } from 'vitest'
import { readAnswers, replay } from '../support/wire-client.ts'
import { meshConfig, WireBench } from '../support/wire-gateway.ts'
import { lines } from './corpus/case.ts'
import { NORMALIZED } from './corpus/targets.ts'

const levels = [...new Set(NORMALIZED.map(([level]) => level))]

describe.each(levels)('pathNormalization %s', (level) => {
  test('decides on the path that a backend will see', async () => {
    await using bench = await WireBench.start(
      meshConfig(`pathNormalization: { normalization: ${level} }`),
    )
    const seen: [string, number, string | null][] = []
    const rows = NORMALIZED.filter((row) => row[0] === level)
    for (const [, target] of rows) {
      bench.backend.mark()
      const bytes = lines(`GET ${target} HTTP/1.1`, 'Host: locked.test', '')
      const { text } = await replay([bytes], { port: bench.gateway.port(80) })
      const [request] = await bench.settled()
      seen.push([target, readAnswers(text)[0]!.status, request?.target ?? null])
    }
    expect(bench.backend.findings).toEqual([])
    expect(seen).toEqual(
      rows.map(([, target, forwarded]) => [target, forwarded === null ? 403 : 200, forwarded]),
    )
  })
})
