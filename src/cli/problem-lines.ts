import type { ProblemDescription } from '../config/problems.ts'
import { withoutControls } from '../explain/text.ts'

/** `error: shop.yaml:12 VirtualService shop/web spec.http[0]: message (hint) [code]` */
export function problemLine(problem: ProblemDescription): string {
  const { severity, file, line, kind, namespace, name, path, message, hint, code } = problem
  const where = [
    file === null ? '' : line === null ? file : `${file}:${line}`,
    kind === null ? '' : `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`,
    path,
  ].filter((part) => part !== '')
  const place = where.length === 0 ? '' : `${where.join(' ')}: `
  const said = hint === null ? message : `${message} (${hint})`
  return withoutControls(`${severity}: ${place}${said} [${code}]`)
}
