import { Command } from 'commander'
import { outputOption, parseOutput } from './flag-options.ts'
import { type OutputFormat, printOutput } from './output.ts'
import { packageVersion } from './version.ts'

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
