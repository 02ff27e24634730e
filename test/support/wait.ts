const POLL_MS = 10

/** Polls until `condition` gives something truthy, or fails with `what` after `timeoutMs`. */
export async function waitFor<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeoutMs = 15_000,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const value = await condition()
    if (value) return value
    if (performance.now() > deadline) throw new Error(`timed out waiting for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** Polls without a change after which something counts as still. */
const STILL_POLLS = 20

/** Waits until a count does not change any more. */
export async function untilStill(what: string, count: () => number): Promise<void> {
  let last = count()
  let still = 0
  await waitFor(
    `${what} to be still`,
    () => {
      const now = count()
      still = now === last ? still + 1 : 0
      last = now
      return still >= STILL_POLLS
    },
    20_000,
  )
}
