/** Character classes of RFC 9110 5.6.2 (token) and 5.5 (field-value), one byte of flags each. */
const TOKEN = 1
const VALUE = 2

const CLASSES = buildClasses()

function buildClasses(): Uint8Array {
  const classes = new Uint8Array(256)
  for (let code = 0x20; code < 256; code++) if (code !== 0x7f) classes[code] = VALUE
  classes[0x09] = VALUE
  const marks = "!#$%&'*+-.^_`|~"
  for (let i = 0; i < marks.length; i++) classes[marks.charCodeAt(i)]! |= TOKEN
  for (let code = 0x30; code <= 0x39; code++) classes[code]! |= TOKEN
  for (let code = 0x41; code <= 0x5a; code++) {
    classes[code]! |= TOKEN
    classes[code + 0x20]! |= TOKEN
  }
  return classes
}

/** A token: one or more tchar. Methods and field names are tokens. */
export function isToken(text: string): boolean {
  return text.length > 0 && allOf(text, TOKEN)
}

/**
 * A field value as latin1 text: visible characters, spaces, tabs and obs-text; no CR, LF, NUL or
 * other control. The empty value is valid. Surrounding white space is not looked at.
 */
export function isFieldValue(text: string): boolean {
  return allOf(text, VALUE)
}

/** True for the code of a tchar. */
export function isTokenCode(code: number): boolean {
  return code < 256 && (CLASSES[code]! & TOKEN) !== 0
}

function allOf(text: string, wanted: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 255 || (CLASSES[code]! & wanted) === 0) return false
  }
  return true
}
