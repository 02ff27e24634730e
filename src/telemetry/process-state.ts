import type { Registry } from 'prom-client'
import { PublishedCounter, PublishedGauge, type Sample } from './published-metric.ts'

/** How many findings of each severity the last load had. */
export interface ProblemCounts {
  readonly error: number
  readonly warning: number
  readonly info: number
}

/** State of this process for tidegate_* metrics, kept up to date by its owner. */
export class ProcessState {
  /** Of the serving snapshot; 0 before the first. */
  generation = 0
  listeners = 0
  problems: ProblemCounts = { error: 0, warning: 0, info: 0 }
  reloadsOk = 0
  reloadsFailed = 0
  readonly startedAtMs: number

  constructor(startedAtMs: number) {
    this.startedAtMs = startedAtMs
  }
}

const one = (value: number): readonly Sample[] => [{ labels: {}, value }]

/** Publishes tidegate_* and the process_* metrics that dashboards expect. */
export function publishProcessState(
  registry: Registry,
  state: ProcessState,
  version: string,
): void {
  const gauge = (name: string, help: string, read: () => readonly Sample[]): void => {
    new PublishedGauge({ name, help, registry }, read)
  }
  const counter = (name: string, help: string, read: () => readonly Sample[]): void => {
    new PublishedCounter({ name, help, registry }, read)
  }
  gauge('tidegate_build_info', 'Always 1; what is running', () => [
    { labels: { version, node: process.versions.node }, value: 1 },
  ])
  gauge('tidegate_uptime_seconds', 'Seconds since the process started', () =>
    one((Date.now() - state.startedAtMs) / 1000),
  )
  gauge('tidegate_config_generation', 'Generation of the serving snapshot', () =>
    one(state.generation),
  )
  gauge('tidegate_config_problems', 'Findings of the last configuration load', () => [
    { labels: { severity: 'error' }, value: state.problems.error },
    { labels: { severity: 'warning' }, value: state.problems.warning },
    { labels: { severity: 'info' }, value: state.problems.info },
  ])
  counter('tidegate_config_reloads_total', 'Configuration loads by outcome', () => [
    { labels: { result: 'ok' }, value: state.reloadsOk },
    { labels: { result: 'failed' }, value: state.reloadsFailed },
  ])
  gauge('tidegate_listeners', 'Bound listeners', () => one(state.listeners))
  gauge('process_start_time_seconds', 'Start of the process since the epoch', () =>
    one(state.startedAtMs / 1000),
  )
  counter('process_cpu_seconds_total', 'User and system CPU time', () => {
    const { user, system } = process.cpuUsage()
    return one((user + system) / 1_000_000)
  })
  gauge('process_resident_memory_bytes', 'Resident memory', () => one(process.memoryUsage.rss()))
}
