/** The PROXY header that stands before a visit's bytes at its target: who the visitor is, and what it connected to. */
import type { Writable } from 'node:stream';
import { type HostAddress, parseAddress } from '../net/address.ts';
import { encodeProxyHeader, type ProxyVersion } from '../net/proxy-header.ts';
import type { VisitorInfo } from './visit-pool.ts';

/** Whether targets are sent a header, and of which version. */
export type TargetProxy = 'off' | 'v1' | 'v2';

const VERSIONS: Readonly<Record<TargetProxy, ProxyVersion | undefined>> = { off: undefined, v1: 1, v2: 2 };

/** A visit's header; undefined where none is sent. An end that has no IP address leaves both unsaid (UNKNOWN, LOCAL). */
export function visitHeader(proxy: TargetProxy, { remote, local }: VisitorInfo): Buffer | undefined {
  const version = VERSIONS[proxy];
  if (version === undefined) return undefined;
  const [source, destination] = [endOf(remote), endOf(local)];
  const known = source !== undefined && destination !== undefined;
  return encodeProxyHeader(version, known ? { source, destination } : undefined);
}

/** What a health check says first, which speaks for nobody; undefined where no header is sent. */
export function checkHeader(proxy: TargetProxy): Buffer | undefined {
  const version = VERSIONS[proxy];
  return version && encodeProxyHeader(version, undefined);
}

/** Writes a header that leaves in one write with the first bytes, where those are there in this turn. */
export function writeHeader(socket: Writable, header: Buffer): void {
  socket.cork();
  socket.write(header);
  queueMicrotask(() => socket.uncork());
}

function endOf(text: string): HostAddress | undefined {
  if (text === 'unix') return undefined;
  // A visitor may have left port 0 behind; it says no less about who it was.
  const address = parseAddress(text, { allowPortZero: true });
  return 'path' in address ? undefined : address;
}
