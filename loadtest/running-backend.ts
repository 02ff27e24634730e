import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Scenario } from './scenario.ts'

/** The backend of a scenario in a process of its own, pinned to `core`. The caller stops `child`. */
export async function startBackend(
  scenario: Scenario,
  core: number,
): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const script = join(import.meta.dirname, 'backend.ts')
  const command = ['-c', String(core), process.execPath, script, String(scenario.bodyBytes)]
  const child = spawn('taskset', command, { stdio: ['ignore', 'pipe', 'inherit'] })
  const port = await new Promise<number>((resolve) => {
    child.stdout.once('data', (text: Buffer) => resolve(Number(text.toString().trim())))
  })
  return { child, port }
}
