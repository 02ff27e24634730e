interface Level {
  readonly indent: number
  /** A key written at this level and its line, for the message. */
  key: string
  line: number
}

export interface IndentSlip {
  readonly code: string
  readonly message: string
  readonly hint: string
}

const KEY = /^((?:-\s+)*)("[^"]*"|'[^']*'|[^\s#&*!|>%@`"'[{,][^:#]*):(?:\s+(.*))?$/

/** Follows the indentation of a block document and notices a key that lines up with nothing. */
export class IndentWalk {
  readonly #levels: Level[] = []
  /** The last key had no value on its line, so deeper lines may follow. */
  #open = true
  #lastLine = 0

  /** `content` is a line without its indentation, `indent` that in spaces, `line` its number. */
  visit(content: string, indent: number, line: number): IndentSlip | null {
    const match = KEY.exec(content)
    const dashes = match?.[1]?.length ?? 0
    const key = match?.[2] ?? null
    const slip = key === null || dashes > 0 ? this.#leave(indent) : this.#place(key, indent, line)
    if (key !== null && dashes > 0) this.#enter(indent + dashes, key, line)
    if (key !== null) {
      const value = match?.[3] ?? ''
      this.#open = value === '' || /^[#&!|>]/.test(value)
      this.#lastLine = line
    }
    return slip
  }

  #place(key: string, indent: number, line: number): IndentSlip | null {
    let closed: Level | null = null
    for (;;) {
      const top = this.#levels.at(-1)
      if (top === undefined || top.indent <= indent) break
      closed = this.#levels.pop() ?? null
    }
    const top = this.#levels.at(-1)
    if (top !== undefined && top.indent === indent) {
      top.key = key
      top.line = line
      return null
    }
    if (closed !== null) {
      this.#levels.push(closed)
      return misaligned(key, indent, closed)
    }
    if (!this.#open && top !== undefined) return tooDeep(key, indent, top, this.#lastLine)
    this.#enter(indent, key, line)
    return null
  }

  #enter(indent: number, key: string, line: number): void {
    this.#leave(indent)
    const top = this.#levels.at(-1)
    if (top?.indent === indent) {
      top.key = key
      top.line = line
    } else this.#levels.push({ indent, key, line })
  }

  /** Closes what is deeper than `indent`. */
  #leave(indent: number): null {
    while ((this.#levels.at(-1)?.indent ?? -1) > indent) this.#levels.pop()
    return null
  }
}

function misaligned(key: string, indent: number, sibling: Level): IndentSlip {
  return {
    code: 'bad-indent',
    message: `\`${key}\` is indented by ${spaces(indent)}, but its sibling \`${sibling.key}\` by ${spaces(sibling.indent)}`,
    hint: `indent \`${key}\` by ${spaces(sibling.indent)}`,
  }
}

function tooDeep(key: string, indent: number, above: Level, line: number): IndentSlip {
  return {
    code: 'bad-indent',
    message: `\`${key}\` is indented by ${spaces(indent)}, deeper than \`${above.key}\`, which already has a value${line === above.line ? ' on its own line' : ''}`,
    hint: `indent \`${key}\` by ${spaces(above.indent)}`,
  }
}

function spaces(count: number): string {
  return count === 1 ? '1 space' : `${count} spaces`
}
