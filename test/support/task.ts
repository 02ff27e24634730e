import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = join(import.meta.dirname, '..', 'fixtures', 'tasks')

/** Files of test/fixtures/tasks as one text, with each `${name}` filled in. */
export function task(files: readonly string[], values: Readonly<Record<string, number>>): string {
  const text = files.map((file) => readFileSync(join(FOLDER, file), 'utf8')).join('')
  return text.replaceAll(/\$\{([\w-]+)\}/g, (_whole, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`the fixture asks for ${name}`)
    return String(value)
  })
}
