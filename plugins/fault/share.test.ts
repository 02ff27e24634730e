import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../test/support/seeded-random.ts'
import { Share } from './share.ts'

describe('a share', () => {
  test.each([
    ['nothing', 0, 0, false],
    ['the smallest there is', 0.0001, 0.000_000_9, true],
    ['the smallest there is, missed', 0.0001, 0.000_001, false],
    ['less than a millionth is nothing', 0.000_05, 0, false],
    ['0.0003 % is three millionths', 0.0003, 0.000_002_9, true],
    ['0.0007 % is seven millionths', 0.0007, 0.000_007, false],
    ['a half, hit', 50, 0.499_999, true],
    ['a half, missed', 50, 0.5, false],
    ['everything', 100, 0.999_999_999, true],
  ])('%s', (_name, percent, drawn, isHit) => {
    expect(new Share(percent).draw(() => drawn)).toBe(isHit)
  })

  test.each([0, 100])('of %d %% takes no random number', (percent) => {
    const random = (): number => {
      throw new Error('nothing to decide')
    }
    expect(new Share(percent).draw(random)).toBe(percent === 100)
  })

  test('is what it says over many draws', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100 }), fc.nat(), (percent, seed) => {
        const share = new Share(percent)
        const random = seededRandom(seed)
        let hits = 0
        for (let i = 0; i < 4000; i++) if (share.draw(random)) hits++
        // Five standard deviations at most.
        expect(Math.abs(hits / 4000 - percent / 100)).toBeLessThan(0.04)
      }),
      { numRuns: 25 },
    )
  })
})
