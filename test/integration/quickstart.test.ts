import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { type RunningCommand, startProgram } from '../support/command.ts'
import { countBodies, sendMany, sigmasFrom } from '../support/traffic.ts'
import { waitFor } from '../support/wait.ts'

const ROOT = join(import.meta.dirname, '../..')
const START_TIMEOUT_MS = 30_000
const MINUTE_MS = 60_000

/** What `npm start` runs, with npm's PATH. */
function npmStart(): RunningCommand {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: { start: string }
  }
  const path = `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`
  return startProgram('sh', ['-c', `exec ${manifest.scripts.start}`], { env: { PATH: path } })
}

/** The printed lines that one can paste into a shell. */
async function printedCommands(running: RunningCommand): Promise<readonly string[]> {
  await waitFor(
    'what to try',
    () => {
      if (!running.isRunning) throw new Error(`it ended: ${running.stderr}`)
      return running.stdout.includes('Ctrl-C ends it')
    },
    START_TIMEOUT_MS,
  )
  return running.stdout.split('\n').filter((line) => /^(?:curl|for) /.test(line))
}

function shell(command: string): Promise<string> {
  const { PATH = '' } = process.env
  return new Promise((resolve, reject) => {
    execFile('sh', ['-c', command], { env: { PATH } }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${command}: ${stderr}`, { cause: error }))
    })
  })
}

interface Shown {
  readonly command: string
  readonly output: string
}

/** Commands of README.md's quickstart with what it shows below each. */
function readmeExamples(): readonly Shown[] {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const section = /## Try it[^]*?(?=\n## )/.exec(readme)?.[0] ?? ''
  return [...section.matchAll(/^\$ (.+)\n((?:.+\n)*?)(?=\n|```)/gm)].map(
    ([, command = '', output = '']) => ({ command, output }),
  )
}

/** Ports differ from start to start. */
function withoutPorts(command: string): string {
  return command.replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT')
}

async function take(port: number): Promise<Server | null> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(null))
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}

test('npm start prints commands that do what README.md shows, and cleans up after Ctrl-C', async () => {
  await using running = npmStart()
  const commands = await printedCommands(running)
  const examples = readmeExamples()
  expect(examples.length).toBeGreaterThanOrEqual(5)
  expect(commands).toHaveLength(examples.length + 1)

  for (const { command, output } of examples) {
    const printed = commands.find((line) => withoutPorts(line) === withoutPorts(command))
    expect(
      printed,
      `README.md shows a command that npm start does not print: ${command}`,
    ).toBeDefined()
    const minute = Math.floor(Date.now() / MINUTE_MS)
    const actual = await shell(printed!)
    if (command.includes('uniq -c')) {
      const counts = [...actual.matchAll(/^ +(\d+) (hello httpd2?)$/gm)]
      expect(counts.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(10)
    } else if (Math.floor(Date.now() / MINUTE_MS) !== minute && command.includes('/limited')) {
      // A new minute began in between, and with it a new limit.
      expect(actual).toMatch(/^(?:200\n){3,5}(?:429\n){0,2}$/)
    } else expect(actual).toBe(output)
  }
  const https = commands.find((line) => line.includes('--cacert'))!
  expect(await shell(https)).toBe('hello calcclient: /calc\n')

  const egress = Number(/-x http:\/\/127\.0\.0\.1:(\d+)/.exec(commands.join('\n'))![1])
  const total = 2000
  const replies = await sendMany({
    port: egress,
    url: 'http://web-svc:8080/',
    count: total,
    concurrency: 8,
  })
  const counts = countBodies(replies)
  const first = counts.get('hello httpd\n') ?? 0
  console.log(`web-svc: ${((first * 100) / total).toFixed(2)}% httpd of ${total} requests`)
  expect(first + (counts.get('hello httpd2\n') ?? 0)).toBe(total)
  expect(sigmasFrom(0.2, first, total)).toBeLessThan(4)

  const folder = dirname(/--cacert (\S+)/.exec(https)![1]!)
  expect(existsSync(folder)).toBe(true)
  running.signal('SIGINT')
  const { code, stderr } = await running.exit()
  expect(code).toBe(0)
  expect(stderr).not.toMatch(/\n\s+at /)
  expect(existsSync(folder)).toBe(false)
}, 60_000)

test('npm start takes other ports when its own are taken, and a SIGTERM ends it as well', async () => {
  const own = [8080, 8443, 15001, 15000, 15021]
  const taken = await Promise.all(own.map(take))
  await using running = npmStart()
  const commands = await printedCommands(running)
  const printed = new Set(commands.join('\n').match(/127\.0\.0\.1:\d+/g))
  for (const port of own) expect(printed).not.toContain(`127.0.0.1:${port}`)
  expect(await shell(commands[0]!)).toBe('hello calcclient: /calc\n')
  expect(await shell(commands.find((line) => line.includes('example.org'))!)).toContain(
    'is blocked',
  )
  running.signal('SIGTERM')
  expect((await running.exit()).code).toBe(0)
  for (const server of taken) server?.close()
}, 60_000)
