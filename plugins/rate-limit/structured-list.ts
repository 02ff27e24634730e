/** An item of a list: its bare value as written, without quotes of a string, and its parameters. */
export interface ListItem {
  readonly value: string
  readonly parameters: ReadonlyMap<string, string>
}

/**
 * The items of a List (RFC 9651 3.1), read leniently: what an upstream writes amiss costs that item
 * alone. Inner lists are not told apart.
 */
export function listItems(text: string): readonly ListItem[] {
  return splitOutsideStrings(text, ',').map((item) => {
    const [value = '', ...rest] = splitOutsideStrings(item, ';')
    const parameters = new Map<string, string>()
    for (const parameter of rest) {
      const at = parameter.indexOf('=')
      if (at < 0) parameters.set(parameter, '?1')
      else parameters.set(parameter.slice(0, at), unquoted(parameter.slice(at + 1)))
    }
    return { value: unquoted(value), parameters }
  })
}

function unquoted(text: string): string {
  return text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
}

function splitOutsideStrings(text: string, separator: string): string[] {
  const parts: string[] = []
  let from = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (quoted && character === '\\') at++
    else if (character === '"') quoted = !quoted
    else if (character === separator && !quoted) {
      parts.push(text.slice(from, at).trim())
      from = at + 1
    }
  }
  parts.push(text.slice(from).trim())
  return parts
}
