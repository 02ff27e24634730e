import type { ExchangeObserver, ExchangeRecord } from '../proxy/exchange-record.ts'
import type { LineFormat } from './log-format.ts'
import type { LogWriter } from './log-writer.ts'

/** Writes one line for each exchange; Istio MeshConfig accessLogFile, -Format and -Encoding. */
export class AccessLog implements ExchangeObserver {
  #writer: LogWriter
  #droppedBefore = 0
  #format: LineFormat | null

  /** `format` null: switched off. The writer belongs to the log from here on. */
  constructor(writer: LogWriter, format: LineFormat | null) {
    this.#writer = writer
    this.#format = format
  }

  /** Exchanges that end from now on are written in `format`; null switches the log off. */
  setFormat(format: LineFormat | null): void {
    this.#format = format
  }

  /** Lines go to `writer` from now on; what the one before could not take is counted on. */
  setWriter(writer: LogWriter): void {
    if (writer === this.#writer) return
    this.#droppedBefore += this.#writer.dropped
    this.#writer = writer
  }

  onExchangeEnd(record: ExchangeRecord): void {
    if (this.#format !== null) this.#writer.write(this.#format.format(record))
  }

  /** Lines lost because the sink was slow or gone. */
  get dropped(): number {
    return this.#droppedBefore + this.#writer.dropped
  }

  close(): Promise<void> {
    return this.#writer.close()
  }
}
