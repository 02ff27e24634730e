import { EventEmitter } from 'node:events'

/**
 * An EventEmitter that is not set up until somebody listens: most facades never have a listener,
 * and EventEmitter's constructor is what costs most about one. Its methods cope with that, as they
 * always had to for classes that inherit the old way and call no constructor.
 */
function Unprepared(this: EventEmitter): void {}
Unprepared.prototype = EventEmitter.prototype

// TypeScript knows no function of the old way as a class to inherit from; calls of `new` work alike.
export const LazyEmitter = Unprepared as unknown as typeof EventEmitter
