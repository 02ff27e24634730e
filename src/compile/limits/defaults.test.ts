import { expect, test } from 'vitest'
import { H2Settings } from '../../http/h2-settings.ts'
import { HttpSettings } from '../../http/http-settings.ts'
import { WireSettings } from '../../listeners/wire-settings.ts'
import { H1Settings } from '../../upstream/h1-settings.ts'
import { H2ConnectionSettings } from '../../upstream/h2-connection-settings.ts'
import { connectionSettings } from '../connection-settings.ts'
import { Findings } from '../findings.ts'
import { connectionLimits } from '../policy/connection-limits.ts'
import { upstreamWire } from './upstream-wire.ts'

test('the defaults of the table are those of the wire', () => {
  const wire = new WireSettings(connectionSettings({}, false, new Findings()))
  expect(wire.h1).toEqual(new HttpSettings({ paths: wire.h1.paths }))
  expect(wire.h2).toEqual(new H2Settings({ paths: wire.h2.paths }))
  const { bufferBytes } = connectionLimits(null, {})
  expect(bufferBytes).toBe(new H2ConnectionSettings().highWaterBytes)
  // As much in either direction.
  expect(bufferBytes).toBe(wire.h1.highWaterBytes)
})

test('one flag for upstreams leaves the rest of their wire as it is', () => {
  const wire = upstreamWire(new Map([['upstream-head-bytes', 8_192]]))!
  expect(new H1Settings(wire.h1)).toEqual(new H1Settings({ maxHeadBytes: 8_192 }))
  expect(new H2ConnectionSettings(wire.h2)).toEqual(
    new H2ConnectionSettings({ maxHeadBytes: 8_192 }),
  )
})

test('without such a flag nothing about it is configured', () => {
  expect(upstreamWire(new Map([['head-bytes', 8_192]]))).toBeNull()
  expect(upstreamWire(new Map([['upstream-buffer-bytes', 8_192]]))).not.toBeNull()
})
