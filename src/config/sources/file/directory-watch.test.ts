import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { waitFor } from '../../../../test/support/wait.ts'
import { DirectoryWatch } from './directory-watch.ts'

let folder: string
let events: (string | null)[]
let watch: DirectoryWatch

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-watch-'))
  mkdirSync(at('config'))
  events = []
  watch = new DirectoryWatch((path) => events.push(path))
})

afterEach(() => {
  watch.close()
  rmSync(folder, { recursive: true, force: true })
})

function at(name: string): string {
  return join(folder, name)
}

function wantConfigFolder(): void {
  watch.want(at('config'), statSync(at('config'), { bigint: true }).ino)
}

test('files of a folder are told of, files beside the folder are not', async () => {
  watch.begin()
  watch.wantPath(at('config'))
  wantConfigFolder()
  watch.finish()
  writeFileSync(at('beside.log'), 'x')
  writeFileSync(at('config/a.yaml'), 'x')
  await waitFor('the event', () => events.includes(at('config/a.yaml')))
  expect(events).not.toContain(at('beside.log'))
})

test('the folder itself is told of when it goes', async () => {
  watch.begin()
  watch.wantPath(at('config'))
  watch.finish()
  rmSync(at('config'), { recursive: true })
  await waitFor('the event', () => events.includes(at('config')))
})

test('a folder that is wanted whole and as the place of a path matters whole', async () => {
  for (const last of ['folder', 'path']) {
    events = []
    watch.begin()
    if (last === 'path') wantConfigFolder()
    watch.wantPath(at('config/a.yaml'))
    if (last === 'folder') wantConfigFolder()
    watch.finish()
    writeFileSync(at(`config/${last}.yaml`), 'x')
    await waitFor('the event', () => events.includes(at(`config/${last}.yaml`)))
  }
})

test('beside a path that is a link everything matters', async () => {
  writeFileSync(at('version-1.yaml'), 'x')
  symlinkSync('version-1.yaml', at('data'))
  symlinkSync('data', at('mesh.yaml'))
  watch.begin()
  watch.wantPath(at('mesh.yaml'))
  watch.finish()
  rmSync(at('data'))
  await waitFor('the event', () => events.includes(at('data')))
})

test('without finish what mattered before goes on to matter', async () => {
  watch.begin()
  wantConfigFolder()
  watch.finish()
  watch.begin()
  watch.wantPath(at('config/a.yaml'))
  writeFileSync(at('config/b.yaml'), 'x')
  await waitFor('the event', () => events.includes(at('config/b.yaml')))
})
