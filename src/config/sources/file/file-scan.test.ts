import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { scanFiles } from './file-scan.ts'

const FILES = 300

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidegate-scan-'))
  const names = Array.from({ length: FILES }, (_, index) => `${index}.yaml`)
  await Promise.all(names.map((name) => writeFile(join(folder, name), '')))
})

afterEach(() => rm(folder, { recursive: true, force: true }))

test('a scan that nobody stops is whole', async () => {
  const { found, whole } = await scanFiles([folder], () => {})
  expect(whole).toBe(true)
  expect(found).toHaveLength(FILES)
})

test('a scan that may stop looks at no more files, here and in further paths', async () => {
  let asked = 0
  const { found, whole } = await scanFiles(
    [folder, folder, join(folder, '..')],
    () => {},
    () => ++asked === 3,
  )
  expect(whole).toBe(false)
  expect(found.length).toBeGreaterThan(0)
  expect(found.length).toBeLessThan(FILES)
  expect(asked).toBe(3)
})
