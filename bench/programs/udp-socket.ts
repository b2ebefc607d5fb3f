import { createSocket, type Socket } from 'node:dgram';

/** A UDP socket as every program here has it: no lookups of numbers, and room for a burst. */
export function udpSocket(): Socket {
  return createSocket({
    type: 'udp4',
    recvBufferSize: 4 * 1024 * 1024,
    lookup: (host, family, done) => done(null, host, Number(family)),
  });
}
