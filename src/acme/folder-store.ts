import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type AcmeStore,
  MAX_CHALLENGES,
  type OrderLock,
  type StoredCertificate,
  type StoredChallenge,
  type StoreGlance,
} from './acme-store.ts'
import { certificateText, challengeText, parseCertificate, parseChallenge } from './stored-text.ts'

const FILE_MODE = 0o600
const FOLDER_MODE = 0o700
/** Taking a lock away takes no longer, unless the process ended meanwhile. */
const CLEARING_MS = 10_000
const FOLDERS = ['accounts', 'certificates', 'challenges', 'locks'] as const

/**
 * A folder of this host, or one that several hosts mount. Files hold private keys: they are written
 * whole under another name, with mode 0600, and renamed.
 */
export class FolderStore implements AcmeStore {
  readonly name: string
  readonly #folder: string
  readonly #now: () => number
  #made = false
  #challengesChanged = ''
  #challenges: readonly StoredChallenge[] = []

  /** `now`: milliseconds since the epoch. */
  constructor(folder: string, now: () => number) {
    this.name = folder
    this.#folder = folder
    this.#now = now
  }

  async glance(): Promise<StoreGlance> {
    await this.#make()
    const changed = await this.#changeOf('challenges')
    if (changed !== this.#challengesChanged) {
      this.#challenges = await this.#readChallenges()
      this.#challengesChanged = changed
    }
    return { revision: await this.#changeOf('certificates'), challenges: this.#challenges }
  }

  read(ids: readonly string[]): Promise<readonly (StoredCertificate | null)[]> {
    return Promise.all(
      ids.map(async (id) => {
        const text = await textOf(this.#path('certificates', `${id}.json`))
        return text === null ? null : parseCertificate(text)
      }),
    )
  }

  async lock(id: string, leaseMs: number): Promise<OrderLock | null> {
    await this.#make()
    const lock = new FileLock({
      path: this.#path('locks', id),
      write: (text) => this.#write(this.#path('certificates', `${id}.json`), text),
      now: this.#now,
    })
    return (await lock.take(leaseMs)) ? lock : null
  }

  async accountKey(id: string, create: () => Promise<string>): Promise<string> {
    await this.#make()
    const path = this.#path('accounts', `${id}.pem`)
    const known = await textOf(path)
    if (known !== null) return known
    const key = await create()
    await createWhole(path, key)
    return (await textOf(path)) ?? key
  }

  async present(challenge: StoredChallenge): Promise<void> {
    await this.#make()
    await this.#write(this.#path('challenges', challenge.token), challengeText(challenge))
  }

  async withdraw(token: string): Promise<void> {
    await rm(this.#path('challenges', token), { force: true })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async #make(): Promise<void> {
    if (this.#made) return
    for (const name of FOLDERS) {
      await mkdir(join(this.#folder, name), { recursive: true, mode: FOLDER_MODE })
    }
    this.#made = true
  }

  /** A file that comes, goes or is replaced changes its folder's time. */
  async #changeOf(name: (typeof FOLDERS)[number]): Promise<string> {
    try {
      return String((await stat(join(this.#folder, name), { bigint: true })).mtimeNs)
    } catch (error) {
      this.#made = false
      throw error
    }
  }

  /** What a process left behind that ended is taken away. */
  async #readChallenges(): Promise<readonly StoredChallenge[]> {
    const found: StoredChallenge[] = []
    const names = (await readdir(join(this.#folder, 'challenges'))).filter(isFinal)
    for (const name of names.slice(0, MAX_CHALLENGES)) {
      const text = await textOf(this.#path('challenges', name))
      const challenge = text === null ? null : parseChallenge(text)
      if (challenge === null) continue
      if (challenge.expiresAtMs > this.#now()) found.push(challenge)
      else await this.withdraw(name)
    }
    return found
  }

  #path(folder: (typeof FOLDERS)[number], name: string): string {
    return join(this.#folder, folder, fileName(name))
  }

  async #write(path: string, text: string): Promise<void> {
    const temporary = temporaryName(path)
    await writeWhole(temporary, text)
    await rename(temporary, path)
  }
}

/** A file that exists for as long as its owner extends it; one that ran out may be taken over. */
class FileLock implements OrderLock {
  readonly #path: string
  readonly #token = randomUUID()
  readonly #write: (text: string) => Promise<void>
  readonly #now: () => number

  constructor(parts: { path: string; write: (text: string) => Promise<void>; now: () => number }) {
    this.#path = parts.path
    this.#write = parts.write
    this.#now = parts.now
  }

  async take(leaseMs: number): Promise<boolean> {
    if (await createWhole(this.#path, this.#text(leaseMs))) return true
    const held = await textOf(this.#path)
    if (held !== null && endOf(held) > this.#now()) return false
    await this.#clear()
    return createWhole(this.#path, this.#text(leaseMs))
  }

  /** One at a time takes away a lock that ran out: nobody takes away the one that follows it. */
  async #clear(): Promise<void> {
    const guard = `${this.#path}.clearing`
    if (!(await createWhole(guard, this.#text(CLEARING_MS)))) {
      const other = await textOf(guard)
      if (other !== null && endOf(other) <= this.#now()) await rm(guard, { force: true })
      return
    }
    try {
      const held = await textOf(this.#path)
      if (held !== null && endOf(held) <= this.#now()) await rm(this.#path, { force: true })
    } finally {
      await rm(guard, { force: true })
    }
  }

  async extend(leaseMs: number): Promise<boolean> {
    if (!(await this.#isOurs())) return false
    const temporary = temporaryName(this.#path)
    await writeWhole(temporary, this.#text(leaseMs))
    await rename(temporary, this.#path)
    return true
  }

  async save(certificate: StoredCertificate): Promise<boolean> {
    if (!(await this.#isOurs())) return false
    await this.#write(certificateText(certificate))
    return true
  }

  async release(): Promise<void> {
    if (await this.#isOurs()) await rm(this.#path, { force: true })
  }

  async #isOurs(): Promise<boolean> {
    const held = await textOf(this.#path)
    return held !== null && held.startsWith(this.#token) && endOf(held) > this.#now()
  }

  #text(leaseMs: number): string {
    return `${this.#token} ${this.#now() + leaseMs}`
  }
}

/** 0 for what is no lock's text. */
function endOf(text: string): number {
  return Number(text.split(' ')[1] ?? '0') || 0
}

const TEMPORARY = '.tmp-'

function temporaryName(path: string): string {
  return `${path}${TEMPORARY}${randomUUID()}`
}

function isFinal(name: string): boolean {
  return !name.includes(TEMPORARY)
}

/** Tokens are the ACME server's: nothing in them leads out of the folder. */
function fileName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9._-]/g, '_').replace(/^\.+/, '_')
}

/** On disk before it gets its name. */
async function writeWhole(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', FILE_MODE)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** False: there is a file of that name already. Never seen half written. */
async function createWhole(path: string, text: string): Promise<boolean> {
  const temporary = temporaryName(path)
  await writeWhole(temporary, text)
  try {
    await link(temporary, path)
    return true
  } catch (error) {
    ignoreExisting(error)
    return false
  } finally {
    await rm(temporary, { force: true })
  }
}

async function textOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    ignoreMissing(error)
    return null
  }
}

function ignoreMissing(error: unknown): void {
  if (!hasCode(error, 'ENOENT')) throw error
}

function ignoreExisting(error: unknown): void {
  if (!hasCode(error, 'EEXIST')) throw error
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
