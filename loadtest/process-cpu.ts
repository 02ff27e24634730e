import { readdirSync, readFileSync } from 'node:fs'

/** Linux reports process times in ticks of 1/100 s (USER_HZ). */
const TICKS_PER_SECOND = 100

export interface CpuTime {
  readonly userMs: number
  readonly systemMs: number
}

/** CPU time that a process and its living descendants have used. */
export function cpuTimeOf(pid: number): CpuTime {
  let user = 0
  let system = 0
  for (const member of [pid, ...descendantsOf(pid)]) {
    const fields = statOf(member)
    if (fields === null) continue
    user += Number(fields[11])
    system += Number(fields[12])
  }
  return { userMs: (user * 1000) / TICKS_PER_SECOND, systemMs: (system * 1000) / TICKS_PER_SECOND }
}

/** Fields of /proc/<pid>/stat behind the command name: [0] is the state, [1] the parent. */
function statOf(pid: number): readonly string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}

function descendantsOf(pid: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    const child = Number(name)
    if (!Number.isInteger(child)) continue
    const parent = Number(statOf(child)?.[1] ?? -1)
    children.set(parent, [...(children.get(parent) ?? []), child])
  }
  const found: number[] = []
  const queue = [pid]
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const child of children.get(next) ?? []) {
      found.push(child)
      queue.push(child)
    }
  }
  return found
}
