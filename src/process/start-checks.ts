import type { Problem } from '../config/problems.ts'
import type { SourceFile } from '../config/store.ts'
import type { RunOptions } from './run-options.ts'
import { StartError } from './start-error.ts'

/** Throws StartError when a path given with -c cannot be read. */
export function refuseMissingPaths(
  files: readonly SourceFile[],
  { config }: Pick<RunOptions, 'config'>,
): void {
  for (const file of files) {
    if (file.error === null || !config.includes(file.path)) continue
    throw new StartError(
      `the configuration cannot be read: ${file.error}`,
      file.path,
      'check the path given with -c',
    )
  }
}

/** Without its MeshConfig a gateway would allow more than was meant, and seem to work. */
export function refuseUnreadableSettings(
  problems: readonly Problem[],
  { meshConfig, rateLimitConfig }: Pick<RunOptions, 'meshConfig' | 'rateLimitConfig'>,
): void {
  for (const { code, file, message } of problems) {
    if (code !== 'unreadable-file' || file === null) continue
    if (file !== meshConfig && file !== rateLimitConfig) continue
    const flag = file === meshConfig ? '--mesh-config' : '--rate-limit-config'
    throw new StartError(
      `the configuration cannot be read: ${message}`,
      file,
      `check the path given with ${flag}`,
    )
  }
}

/** With --strict an error in the configuration is the end; `report` is told of all of them first. */
export function refuseErrors(
  problems: readonly Problem[],
  { strict, config }: Pick<RunOptions, 'strict' | 'config'>,
  report: (errors: readonly Problem[]) => void,
): void {
  if (!strict) return
  const errors = problems.filter(({ severity }) => severity === 'error')
  if (errors.length === 0) return
  report(errors)
  throw new StartError(
    `${errors.length} errors in the configuration, and --strict was given`,
    config.join(' '),
    'mend what is logged above, or start without --strict',
  )
}
