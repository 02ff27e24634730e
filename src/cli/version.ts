import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The package's version: from package.json beside the sources or the built files. */
export function packageVersion(): string {
  let folder = import.meta.dirname
  for (let depth = 0; depth < 4; depth++) {
    try {
      const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      if (isManifest(manifest) && manifest.name === 'tidegate') return manifest.version
    } catch {
      // Not here: the next folder up.
    }
    folder = dirname(folder)
  }
  return 'unknown'
}

function isManifest(value: unknown): value is { name: string; version: string } {
  return typeof value === 'object' && value !== null && 'name' in value && 'version' in value
}
