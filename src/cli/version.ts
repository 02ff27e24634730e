import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Command } from 'commander'
import { outputOption, parseOutput } from './flag-options.ts'
import { type OutputFormat, printOutput } from './output.ts'

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

function printVersion(format: OutputFormat): void {
  const version = {
    version: packageVersion(),
    node: process.versions.node,
    platform: `${process.platform}/${process.arch}`,
  }
  printOutput(format, version, () => {
    console.log(`tidegate ${version.version} (Node.js ${version.node}, ${version.platform})`)
  })
}

/** The verb `version`. */
export function versionCommand(): Command {
  return new Command('version')
    .description('print the version')
    .addOption(outputOption())
    .action((flags: { output: string }) => {
      printVersion(parseOutput(flags.output))
    })
}
