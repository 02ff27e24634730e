import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { AccessLog } from './access-log.ts'
import { LogSink } from './log-sink.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-log-sink-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('a path is created and appended to', async () => {
  const path = join(folder, 'access.log')
  for (const line of ['one\n', 'two\n']) {
    const sink = LogSink.open(path, 1)
    sink.writer.write(line)
    await sink.close()
  }
  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n')
})

test('/dev/stdout is the descriptor it was given, which stays open', async () => {
  const path = join(folder, 'stdout.log')
  const fd = openSync(path, 'a')
  const sink = LogSink.open('/dev/stdout', fd)
  sink.writer.write('one\n')
  expect(sink.moved).toBe(false)
  await sink.close()
  closeSync(fd)
  expect(readFileSync(path, 'utf8')).toBe('one\n')
})

test('a file that was renamed or removed has moved', async () => {
  const path = join(folder, 'access.log')
  const sink = LogSink.open(path, 1)
  expect(sink.moved).toBe(false)
  renameSync(path, `${path}.1`)
  expect(sink.moved).toBe(true)
  const next = LogSink.open(path, 1)
  expect([sink.moved, next.moved]).toEqual([true, false])
  await Promise.all([sink.close(), next.close()])
})

test('what cannot be opened throws at once, also a pipe that nobody reads', () => {
  expect(() => LogSink.open(join(folder, 'none', 'access.log'), 1)).toThrow(/ENOENT/)
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  expect(() => LogSink.open(pipe, 1)).toThrow(/ENXIO/)
})

test('lines lost before a change of the sink stay counted', async () => {
  const [first, second] = [join(folder, 'a'), join(folder, 'b')].map((path) =>
    LogSink.open(path, 1),
  )
  const log = new AccessLog(first!.writer, null)
  first!.writer.dropped = 3
  log.setWriter(second!.writer)
  second!.writer.dropped = 2
  log.setWriter(second!.writer)
  expect(log.dropped).toBe(5)
  await Promise.all([first!.close(), second!.close()])
})
