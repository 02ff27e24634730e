import { parseDurationMs } from '../../base/duration.ts'
import type { Place } from './place.ts'

const MAX_UINT32 = 2 ** 32 - 1
const HOUR_MS = 3_600_000

/** A count that is present must be 0..2^32-1. `what` is Istio's name of the field. */
export function checkCount(place: Place, count: number | undefined, what: string): void {
  if (count === undefined) return
  if (count < 0) place.error('invalid-number', `${what} must be non-negative, is ${count}`)
  else if (count > MAX_UINT32) {
    place.error('invalid-number', `${what} must be at most ${MAX_UINT32}, is ${count}`)
  }
}

/** A percentage that is present must be 0..100. */
export function checkPercent(place: Place, percent: number | undefined): void {
  if (percent === undefined || (percent >= 0 && percent <= 100)) return
  place.error('invalid-percentage', `percentage ${percent} is not in range 0..100`)
}

/** A duration that is present must be at least 1 ms. Text that is no duration is a shape finding. */
export function checkPositiveDuration(place: Place, text: string | undefined): void {
  const ms = text === undefined ? null : parseDurationMs(text)
  if (ms === null || ms >= 1) return
  place.error('invalid-duration', `duration must be greater than 1ms, is ${text}`)
}

/** As checkPositiveDuration, but `0s` is legal and switches the limit off. */
export function checkDurationOrZero(place: Place, text: string | undefined): void {
  if (text !== undefined && parseDurationMs(text) === 0) return
  checkPositiveDuration(place, text)
}

/** Istio admits connect timeouts of 1 ms to 1 h. */
export function checkConnectTimeout(place: Place, text: string | undefined): void {
  const ms = text === undefined ? null : parseDurationMs(text)
  if (ms === null || (ms >= 1 && ms <= HOUR_MS)) return
  place.error('invalid-duration', `connect timeout must be in the range 1ms..1h, is ${text}`)
}
