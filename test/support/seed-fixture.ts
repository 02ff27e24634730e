import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const SEEDS = join(import.meta.dirname, '..', 'fixtures', 'seeds')

/** A file of test/fixtures/seeds with each `${name}` filled in; every value must be used. */
export function seedFixture(name: string, values: Record<string, string | number> = {}): string {
  const used = new Set<string>()
  const text = readFileSync(join(SEEDS, `${name}.yaml`), 'utf8')
  const filled = text.replace(/\$\{(\w+)\}/g, (_whole, key: string) => {
    const value = values[key]
    if (value === undefined) throw new Error(`${name}.yaml asks for ${key}`)
    used.add(key)
    return String(value)
  })
  const unused = Object.keys(values).filter((key) => !used.has(key))
  if (unused.length > 0) throw new Error(`${name}.yaml does not ask for ${unused.join(', ')}`)
  return `${filled}\n---\n`
}
