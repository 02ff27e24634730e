import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

/** One label set with its value. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

interface Description {
  readonly name: string
  readonly help: string
  readonly registry: Registry
}

type Exposition<M extends { get(): Promise<unknown> }> = Awaited<ReturnType<M['get']>>

/** A counter whose values live elsewhere and are read when somebody scrapes. */
export class PublishedCounter extends Counter {
  readonly #read: () => readonly Sample[]

  constructor(description: Description, read: () => readonly Sample[]) {
    super({ name: description.name, help: description.help, registers: [description.registry] })
    this.#read = read
  }

  override async get(): Promise<Exposition<Counter>> {
    const base = await super.get()
    return { ...base, values: this.#read().map(({ labels, value }) => ({ labels, value })) }
  }
}

/** A gauge whose values live elsewhere and are read when somebody scrapes. */
export class PublishedGauge extends Gauge {
  readonly #read: () => readonly Sample[]

  constructor(description: Description, read: () => readonly Sample[]) {
    super({ name: description.name, help: description.help, registers: [description.registry] })
    this.#read = read
  }

  override async get(): Promise<Exposition<Gauge>> {
    const base = await super.get()
    return { ...base, values: this.#read().map(({ labels, value }) => ({ labels, value })) }
  }
}

/** One label set with its distribution. */
export interface DistributionSample {
  readonly labels: Readonly<Record<string, string>>
  readonly distribution: Distribution
}

/** Istio's (Envoy's default) histogram bounds: milliseconds and bytes alike. */
export const BUCKET_BOUNDS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000,
  1_800_000, 3_600_000,
]

/** Counts per bucket, the last one above every bound; cumulated only when published. */
export class Distribution {
  readonly counts: Float64Array
  sum: number
  count: number

  constructor() {
    this.counts = new Float64Array(BUCKET_BOUNDS.length + 1)
    this.sum = 0
    this.count = 0
  }

  observe(value: number): void {
    let bucket = 0
    while (bucket < BUCKET_BOUNDS.length && value > BUCKET_BOUNDS[bucket]!) bucket++
    this.counts[bucket]!++
    this.sum += value
    this.count++
  }
}

/** A histogram whose distributions live elsewhere and are read when somebody scrapes. */
export class PublishedHistogram extends Histogram {
  readonly #name: string
  readonly #read: () => readonly DistributionSample[]
  /** Name, help and type as the library presents them. */
  readonly #frame: Histogram

  constructor(description: Description, read: () => readonly DistributionSample[]) {
    const { name, help, registry } = description
    super({ name, help, registers: [registry] })
    this.#name = name
    this.#read = read
    this.#frame = new Histogram({ name, help, registers: [] })
  }

  override async get(): Promise<Exposition<Histogram>> {
    const base = await this.#frame.get()
    return { ...base, values: this.#read().flatMap((sample) => this.#rows(sample)) }
  }

  /** The registry prefers this over `get`. */
  async getForPromString(): Promise<Exposition<Histogram>> {
    return this.get()
  }

  #rows({ labels, distribution }: DistributionSample): Exposition<Histogram>['values'] {
    const rows: Exposition<Histogram>['values'] = []
    let cumulated = 0
    BUCKET_BOUNDS.forEach((le, index) => {
      cumulated += distribution.counts[index]!
      rows.push({ metricName: `${this.#name}_bucket`, labels: { ...labels, le }, value: cumulated })
    })
    rows.push({
      metricName: `${this.#name}_bucket`,
      labels: { ...labels, le: '+Inf' },
      value: distribution.count,
    })
    rows.push({ metricName: `${this.#name}_sum`, labels, value: distribution.sum })
    rows.push({ metricName: `${this.#name}_count`, labels, value: distribution.count })
    return rows
  }
}
