import { PAGE_BYTES, WritePage } from '../../src/http/write-page.ts'

/** The longest message of a page. */
const WHOLE = PAGE_BYTES - 64

/** How many pages may be had now: all, but for those that messages wait in. */
export function freePages(): number {
  const taken: WritePage[] = []
  for (let page = WritePage.withRoom(WHOLE); page !== null; page = WritePage.withRoom(WHOLE)) {
    page.put('', Buffer.alloc(WHOLE))
    taken.push(page)
  }
  for (const page of taken) page.free()
  return taken.length
}
