import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { VERBS, verbsFor } from './verbs.ts'

test.each(Object.entries(VERBS))('%s is loaded under its own name', async (name, load) => {
  expect((await load()).name()).toBe(name)
  expect(verbsFor([name, 'more'])).toEqual([load])
})

test.each([[[]], [['--help']], [['pc', 'all']], [['valdate']], [['constructor']]])(
  '%j needs all verbs',
  (args) => {
    expect(verbsFor(args)).toEqual(Object.values(VERBS))
  },
)

/** URLs of the modules that a process loads until the verb is done. */
function loadedBy(args: readonly string[]): readonly string[] {
  const script = `
    import { registerHooks } from 'node:module'
    const urls = []
    registerHooks({ load(url, context, next) { urls.push(url); return next(url, context) } })
    const { runCommand } = await import('./src/cli/command.ts')
    await runCommand(${JSON.stringify(args)})
    console.log('loaded ' + JSON.stringify(urls))`
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', script],
    { cwd: join(import.meta.dirname, '../..'), encoding: 'utf8' },
  )
  const line = stdout.split('\n').find((text) => text.startsWith('loaded '))
  expect(line, stderr).toBeDefined()
  return JSON.parse(line!.slice('loaded '.length))
}

const HEAVY = /src\/(compile|process\/gateway)|node_modules\/(fastify|ioredis|prom-client|pino)\//

/** Node needs seconds to start on a busy machine. */
const TIMEOUT_MS = 60_000

test.each([
  [['version']],
  [['healthcheck', '--status', '127.0.0.1:1']],
  [['status', '--admin', '127.0.0.1:1']],
  [['get', 'vs', '--admin', '127.0.0.1:1']],
  [['proxy-config', 'all', '--admin', '127.0.0.1:1']],
])(
  '%j loads neither compiler nor gateway',
  (args) => {
    expect(loadedBy(args).filter((url) => HEAVY.test(url))).toEqual([])
  },
  TIMEOUT_MS,
)

test(
  'run does, so what is looked for is there to be found',
  () => {
    const heavy = loadedBy(['run', '--no-such-flag']).filter((url) => HEAVY.test(url))
    expect(heavy.length).toBeGreaterThan(100)
  },
  TIMEOUT_MS,
)
