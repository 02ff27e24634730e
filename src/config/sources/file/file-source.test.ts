import { mkdir, mkdtemp, open, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SourceFile } from '../../file-reading.ts'
import { startFileSource, type FileSource } from './file-source.ts'

/** Long enough for a busy machine; passing tests do not wait it out. */
const PATIENCE_MS = 10_000

let folder: string
let source: FileSource | null
let changes: (readonly SourceFile[])[]
let waiting: (() => void) | null

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidegate-files-'))
  source = null
  changes = []
  waiting = null
})

afterEach(async () => {
  await source?.close()
  await rm(folder, { recursive: true, force: true })
})

describe('reading', () => {
  it('lists folders recursively in a stable order, hidden and foreign files left out', async () => {
    await mkdir(at('b/deep'), { recursive: true })
    await mkdir(at('.git'))
    for (const name of [
      'z.yaml',
      'a.YML',
      'b/deep/c.json',
      'b/a.yaml',
      'notes.txt',
      '.hidden.yaml',
      '.git/x.yaml',
    ]) {
      await writeFile(at(name), name)
    }
    expect(await read([folder])).toEqual([
      ['a.YML', 'a.YML'],
      ['b/a.yaml', 'b/a.yaml'],
      ['b/deep/c.json', 'b/deep/c.json'],
      ['z.yaml', 'z.yaml'],
    ])
  })

  it('takes a file that is named whatever its extension, and each file once', async () => {
    await writeFile(at('mesh.conf'), 'a')
    await writeFile(at('x.yaml'), 'b')
    expect(await read([at('mesh.conf'), folder, at('x.yaml')])).toEqual([
      ['mesh.conf', 'a'],
      ['x.yaml', 'b'],
    ])
  })

  it('reads a mounted ConfigMap once', async () => {
    await mountConfigMap('1', 'one')
    expect(await read([folder])).toEqual([['file.yaml', 'one']])
  })

  it('is not caught in a loop of links', async () => {
    await mkdir(at('sub'))
    await writeFile(at('sub/a.yaml'), 'a')
    await symlink(folder, at('sub/up'))
    await symlink('self.yaml', at('self.yaml'))
    const files = await read([folder])
    expect(files).toContainEqual(['sub/a.yaml', 'a'])
    expect(files).toHaveLength(2)
  })

  it('gives what cannot be read as an error', async () => {
    await writeFile(at('latin.yaml'), Buffer.from([0x61, 0x3a, 0x20, 0xe9]))
    await symlink('nowhere', at('dangling.yaml'))
    source = await start([at('missing.yaml'), folder], false)
    expect(
      (await source.read()).map(({ path, text, error }) => [
        path.slice(folder.length + 1),
        text,
        error,
      ]),
    ).toEqual([
      ['missing.yaml', null, 'there is no such file or folder'],
      ['dangling.yaml', null, 'there is no such file or folder'],
      ['latin.yaml', null, 'it is not UTF-8 text'],
    ])
  })

  it('does not read a file that is too large', async () => {
    await writeFile(at('a.yaml'), '')
    const handle = await open(at('a.yaml'), 'r+')
    await handle.truncate(50 * 1024 * 1024)
    await handle.close()
    source = await start([folder], false)
    expect(await source.read()).toEqual([
      { path: at('a.yaml'), text: null, error: 'it is larger than 32 MiB' },
    ])
  })
})

describe('watching', () => {
  it.each<[string, () => Promise<void>, [string, string | null][]]>([
    ['a write', () => writeFile(at('a.yaml'), 'new'), [['a.yaml', 'new']]],
    [
      'a new file',
      () => writeFile(at('b.yaml'), 'b'),
      [
        ['a.yaml', 'old'],
        ['b.yaml', 'b'],
      ],
    ],
    ['a removed file', () => unlink(at('a.yaml')), []],
    [
      'an atomic rename',
      async () => {
        await writeFile(at('.a.tmp'), 'new')
        await rename(at('.a.tmp'), at('a.yaml'))
      },
      [['a.yaml', 'new']],
    ],
    [
      'a file in a new folder',
      async () => {
        await mkdir(at('x/y'), { recursive: true })
        await writeFile(at('x/y/b.yaml'), 'b')
      },
      [
        ['a.yaml', 'old'],
        ['x/y/b.yaml', 'b'],
      ],
    ],
    [
      'the folder replaced by another',
      async () => {
        await rename(folder, `${folder}-old`)
        await mkdir(folder)
        await writeFile(at('c.yaml'), 'c')
        await rm(`${folder}-old`, { recursive: true })
      },
      [['c.yaml', 'c']],
    ],
  ])('sees %s', async (_, act, expected) => {
    await writeFile(at('a.yaml'), 'old')
    source = await start([folder], true)
    await act()
    await until(expected)
  })

  it('sees the links of a mounted ConfigMap swapped, again and again', async () => {
    await mountConfigMap('1', 'one')
    source = await start([folder], true)
    for (const round of ['2', '3', '4']) {
      await mountConfigMap(round, `round ${round}`)
      await until([['file.yaml', `round ${round}`]])
    }
  })

  it('sees a single file of a mounted ConfigMap swapped', async () => {
    await mountConfigMap('1', 'one')
    source = await start([at('file.yaml')], true)
    await mountConfigMap('2', 'two')
    await until([['file.yaml', 'two']])
  })

  it('sees writes in a folder that came after the start', async () => {
    source = await start([folder], true)
    await mkdir(at('late'))
    await writeFile(at('late/a.yaml'), '1')
    await until([['late/a.yaml', '1']])
    await writeFile(at('late/a.yaml'), '2')
    await until([['late/a.yaml', '2']])
  })

  it('goes on when a path is missing, vanishes and comes back', async () => {
    source = await start([at('later')], true)
    await mkdir(at('later'))
    await writeFile(at('later/a.yaml'), '1')
    await until([['later/a.yaml', '1']])
    await rm(at('later'), { recursive: true })
    await until([['later', null]])
    await mkdir(at('later'))
    await writeFile(at('later/a.yaml'), '2')
    await until([['later/a.yaml', '2']])
  })

  it('notices by polling what no event tells', async () => {
    await mkdir(at('real'))
    await writeFile(at('real/a.txt'), '1')
    await mkdir(at('watched'))
    await symlink(at('real/a.txt'), at('watched/a.yaml'))
    source = await start([at('watched')], true, 20)
    await writeFile(at('real/a.txt'), '2')
    await until([['watched/a.yaml', '2']])
  })

  it('tells nothing when the content is the same', async () => {
    await writeFile(at('a.yaml'), 'same')
    source = await start([folder], true)
    await writeFile(at('a.yaml'), 'same')
    await source.reload()
    await writeFile(at('b.yaml'), 'other')
    await until([
      ['a.yaml', 'same'],
      ['b.yaml', 'other'],
    ])
    expect(changes.every((files) => files.length === 2)).toBe(true)
  })

  it('sees the end of a burst of writes', async () => {
    source = await start([folder], true)
    const names = Array.from(
      { length: 50 },
      (_, index) => `f${String(index).padStart(2, '0')}.yaml`,
    )
    for (const name of names) await writeFile(at(name), name)
    await until(names.map((name) => [name, name]))
  })

  it('is served although writing never pauses', async () => {
    source = await start([folder], true)
    let round = 0
    const deadline = performance.now() + PATIENCE_MS
    while (changes.length < 2 && performance.now() < deadline) {
      await writeFile(at('a.yaml'), String(round++))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(changes.length).toBeGreaterThanOrEqual(2)
  })

  it('tells nothing after close', async () => {
    source = await start([folder], true)
    await source.close()
    await writeFile(at('a.yaml'), '1')
    await source.reload()
    expect(changes).toEqual([])
  })

  it('without watching only sees a reload', async () => {
    source = await start([folder], false)
    await writeFile(at('a.yaml'), '1')
    await source.reload()
    expect(changes.map(shown)).toEqual([[['a.yaml', '1']]])
  })
})

function at(name: string): string {
  return join(folder, name)
}

/** What the kubelet does: a new folder of files, one rename of the `..data` link. */
async function mountConfigMap(version: string, text: string): Promise<void> {
  await mkdir(at(`..2024_${version}`))
  await writeFile(at(`..2024_${version}/file.yaml`), text)
  await symlink(`..2024_${version}`, at('..data_tmp'))
  await rename(at('..data_tmp'), at('..data'))
  if (version === '1') await symlink('..data/file.yaml', at('file.yaml'))
  else await rm(at(`..2024_${Number(version) - 1}`), { recursive: true })
}

function start(paths: string[], watch: boolean, pollMs = 500): Promise<FileSource> {
  const onChange = (files: readonly SourceFile[]): void => {
    changes.push(files)
    waiting?.()
  }
  return startFileSource({ paths, watch, onChange, pollMs, settleMs: 30 })
}

async function read(paths: string[]) {
  source = await start(paths, false)
  return shown(await source.read())
}

function shown(files: readonly SourceFile[]): [string, string | null][] {
  return files.map(({ path, text }) => [path.slice(folder.length + 1), text])
}

/** Waits for a change that shows exactly these files. */
async function until(expected: [string, string | null][]): Promise<void> {
  const deadline = setTimeout(() => waiting?.(), PATIENCE_MS)
  const end = performance.now() + PATIENCE_MS
  while (performance.now() < end) {
    const latest = changes.at(-1)
    if (latest !== undefined && JSON.stringify(shown(latest)) === JSON.stringify(expected)) break
    await new Promise<void>((resolve) => (waiting = resolve))
  }
  clearTimeout(deadline)
  expect(shown(changes.at(-1) ?? [])).toEqual(expected)
}
