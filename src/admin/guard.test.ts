import { describe, expect, test } from 'vitest'
import { Guard } from './guard.ts'

describe('a loopback-bound server', () => {
  test.each<{ host?: string; origin?: string; allowed: boolean }>([
    { host: '127.0.0.1:15000', allowed: true },
    { host: 'localhost:15000', allowed: true },
    { host: 'LOCALHOST', allowed: true },
    { host: '[::1]:15000', allowed: true },
    { host: '127.0.0.2:1', allowed: true },
    { host: 'evil.test:15000', allowed: false },
    { host: '127.0.0.1.evil.test', allowed: false },
    { host: 'localhost.evil.test', allowed: false },
    { host: '10.0.0.1:15000', allowed: false },
    { host: '', allowed: false },
    { allowed: false },
    { host: '127.0.0.1:15000', origin: 'http://127.0.0.1:15000', allowed: true },
    { host: '127.0.0.1:15000', origin: 'http://127.0.0.1:8080', allowed: false },
    { host: '127.0.0.1:15000', origin: 'https://127.0.0.1:15000', allowed: false },
    { host: '127.0.0.1:15000', origin: 'http://evil.test', allowed: false },
    { host: '127.0.0.1:15000', origin: 'null', allowed: false },
  ])('Host $host with Origin $origin: allowed $allowed', ({ host, origin, allowed }) => {
    expect(new Guard('127.0.0.1').check(host, origin) === null).toBe(allowed)
  })
})

describe('a server bound elsewhere', () => {
  test.each<{ host: string; origin?: string; allowed: boolean }>([
    { host: 'tidegate.internal:15000', allowed: true },
    { host: 'a:1', origin: 'http://a:1', allowed: true },
    { host: 'a:1', origin: 'http://b:1', allowed: false },
  ])('Host $host with Origin $origin: allowed $allowed', ({ host, origin, allowed }) => {
    expect(new Guard('0.0.0.0').check(host, origin) === null).toBe(allowed)
  })
})
