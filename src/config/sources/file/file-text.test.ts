import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FoundFile, scanFiles } from './file-scan.ts'
import { FileTexts } from './file-text.ts'

let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidegate-texts-'))
  await writeFile(join(folder, 'a.yaml'), 'a: 1')
  await writeFile(join(folder, 'b.yaml'), 'b: 1')
})

afterEach(() => rm(folder, { recursive: true, force: true }))

/** What a scan finds once the files have been at rest for an hour. */
async function rested(): Promise<readonly FoundFile[]> {
  const { found } = await scanFiles([folder], () => undefined)
  return found.map((file) => ({ ...file, changedAt: file.changedAt - 3_600_000 }))
}

describe('texts of files', () => {
  test('that did not change are not read again', async () => {
    const texts = new FileTexts()
    const first = await texts.read(await rested())
    const second = await texts.read(await rested())
    expect(second[0]).toBe(first[0])
    expect(second[1]).toBe(first[1])
  })

  test('that changed are, and only those', async () => {
    const texts = new FileTexts()
    const first = await texts.read(await rested())
    await writeFile(join(folder, 'b.yaml'), 'b: 2, but longer')
    const second = await texts.read(await rested())
    expect(second[0]).toBe(first[0])
    expect(second[1]?.text).toBe('b: 2, but longer')
  })

  test('that changed right before are read again, though the time stamp is the same', async () => {
    const texts = new FileTexts()
    const { found } = await scanFiles([folder], () => undefined)
    await texts.read(found)
    await writeFile(join(folder, 'a.yaml'), 'a: 2')
    // The very same stamps: the clock of the file system did not tick between the two writes.
    expect((await texts.read(found))[0]?.text).toBe('a: 2')
  })

  test('with a time in the future are read every time', async () => {
    await utimes(join(folder, 'a.yaml'), new Date(), new Date(Date.now() + 3_600_000))
    const texts = new FileTexts()
    const { found } = await scanFiles([folder], () => undefined)
    const first = await texts.read(found)
    expect((await texts.read(found))[0]).not.toBe(first[0])
  })

  test('that went away are forgotten', async () => {
    const texts = new FileTexts()
    await texts.read(await rested())
    await rm(join(folder, 'a.yaml'))
    expect((await texts.read(await rested())).map(({ text }) => text)).toEqual(['b: 1'])
  })
})
