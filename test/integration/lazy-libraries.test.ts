import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')

/** Which of the files that a process loaded belong to the package. */
function loaded(script: string): boolean {
  const program = `
    import { createRequire } from 'node:module'
    ${script}
    const files = Object.keys(createRequire(import.meta.url).cache)
    console.log(files.some((file) => file.includes('/@grpc/grpc-js/')))`
  const args = ['--input-type=module', '--eval', program]
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' })
  expect(['true\n', 'false\n'], stderr).toContain(stdout)
  return stdout === 'true\n'
}

/** Node needs seconds to start on a busy machine. */
const TIMEOUT_MS = 60_000

test(
  'the gRPC library is loaded when a rate limit service is asked, and not before',
  () => {
    const make = `
      const { createRateLimit } = await import('./plugins/rate-limit/index.ts')
      const { ServiceClient } = await import('./plugins/rate-limit/service/service-client.ts')
      createRateLimit({ redisUrl: null, log: () => undefined })`
    expect(loaded(make)).toBe(false)
    const ask = `new ServiceClient({ addresses: [{ host: '127.0.0.1', port: 1 }], authority: '' })`
    expect(loaded(`${make}\n${ask}`)).toBe(true)
  },
  TIMEOUT_MS,
)

test(
  'a process that serves loads no gRPC library by itself',
  () => {
    expect(loaded(`await import('./src/process/gateway.ts')`)).toBe(false)
  },
  TIMEOUT_MS,
)
