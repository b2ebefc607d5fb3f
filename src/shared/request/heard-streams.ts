import type { Duplex } from 'node:stream';
import type { ResourceFactory } from './resource-factory.ts';

/**
 * The factory, whose streams have a listener for their errors from the first to the last: lines come and go, and an error that
 * nobody hears ends the process. 'close' follows, and says what matters.
 */
export function heardStreams(factory: ResourceFactory<Duplex>): ResourceFactory<Duplex> {
  return {
    create: async (context) => (await factory.create(context)).on('error', () => {}),
    validate: (stream) => factory.validate?.(stream) ?? true,
    destroy: (stream) => factory.destroy(stream),
    watch: (stream, lost) => factory.watch?.(stream, lost),
    clean: (stream) => factory.clean?.(stream) ?? true,
    park: (stream, spoiled) => factory.park?.(stream, spoiled),
    unpark: (stream) => factory.unpark?.(stream),
  };
}
