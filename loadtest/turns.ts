import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fullLoad, type Load, type LoadResult } from './load.ts'
import { percentile } from './micro/figures.ts'
import { cpuTimeOf } from './process-cpu.ts'
import type { ProxyKind, ProxySetup, RunningProxy } from './proxies/proxy.ts'

/** JavaScript proxies reach their steady state after some 50,000 requests. */
export const WARM_UP_SECONDS = 5

/** What all proxies of one comparison get alike. */
export type SharedLoad = Omit<Load, 'port'>

/** One turn of load on one proxy. */
export interface Turn extends LoadResult {
  /** CPU time of the proxy's processes for one request, microseconds. */
  readonly userUs: number
  readonly systemUs: number
}

export function cpuOf({ userUs, systemUs }: Turn): number {
  return userUs + systemUs
}

/** A proxy that runs beside others, and its turns so far: one in each round. */
export class Contender {
  readonly name: string
  readonly proxy: RunningProxy
  readonly turns: Turn[] = []

  private constructor(name: string, proxy: RunningProxy) {
    this.name = name
    this.proxy = proxy
  }

  /** `setup.folder` gets a folder for each of them. */
  static async startAll(
    kinds: readonly ProxyKind[],
    setup: ProxySetup,
  ): Promise<readonly Contender[]> {
    const started: Contender[] = []
    try {
      for (const kind of kinds) {
        const folder = join(setup.folder, String(started.length))
        mkdirSync(folder, { recursive: true })
        started.push(new Contender(kind.name, await kind.start({ ...setup, folder })))
      }
    } catch (error) {
      await stopAll(started)
      throw error
    }
    return started
  }

  async takeTurn(load: SharedLoad): Promise<void> {
    const { pid, port } = this.proxy
    const began = cpuTimeOf(pid)
    const run = await fullLoad({ ...load, port })
    const ended = cpuTimeOf(pid)
    this.turns.push({
      ...run,
      userUs: ((ended.userMs - began.userMs) * 1000) / run.requests,
      systemUs: ((ended.systemMs - began.systemMs) * 1000) / run.requests,
    })
  }
}

export async function stopAll(contenders: readonly Contender[]): Promise<void> {
  for (const { proxy } of contenders) await proxy.stop()
}

/**
 * Warms each one up, then lets them take turns for so many rounds. Noise of the machine lasts longer
 * than a turn and so meets all alike. Every second round goes the other way, so that nobody is
 * always first.
 */
export async function takeTurns(
  contenders: readonly Contender[],
  load: SharedLoad,
  rounds: number,
): Promise<void> {
  for (const { proxy } of contenders)
    await fullLoad({ ...load, port: proxy.port, seconds: WARM_UP_SECONDS })
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? contenders : contenders.toReversed()
    for (const contender of order) await contender.takeTurn(load)
  }
}

/** CPU time of `turns` in times of `base`: the median of the ratios of turns of the same round. */
export function costRatio(turns: readonly Turn[], base: readonly Turn[]): number {
  const ratios = turns.map((turn, round) => cpuOf(turn) / cpuOf(base[round]!))
  return percentile(ratios, 0.5)
}
