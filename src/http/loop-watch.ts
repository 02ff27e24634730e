/** Turns in one iteration of the event loop from which on it counts as busy. */
const BUSY_TURNS = 4
/** How often a loop that is not busy is looked at: what it costs must not show. */
const TURNS_BETWEEN_LOOKS = 64
const NOT_ASKED = -1

/**
 * Tells how many turns (callbacks that read a socket) an iteration of the event loop has, and when
 * they are all over.
 */
export class LoopWatch {
  /** The iteration looked at last had many turns. */
  isBusy = false

  readonly #onEnd: () => void
  #turns = 0
  /** How many turns there had been when the end of the iteration was asked for. */
  #turnsWhenAsked = NOT_ASKED

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd
  }

  /** A turn begins. */
  countTurn(): void {
    if (++this.#turns % TURNS_BETWEEN_LOOKS === 0) this.askForEnd()
  }

  /** Have `onEnd` called when no further callback of this iteration waits. */
  askForEnd(): void {
    if (this.#turnsWhenAsked !== NOT_ASKED) return
    this.#turnsWhenAsked = this.#turns
    setImmediate(this.#end)
  }

  readonly #end = (): void => {
    // The turn that asked counts as well.
    this.isBusy = this.#turns - this.#turnsWhenAsked + 1 >= BUSY_TURNS
    this.#turnsWhenAsked = NOT_ASKED
    this.#onEnd()
  }
}
