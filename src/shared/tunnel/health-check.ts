/** Asks a target again and again whether it is well. */
import { request } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../clock.ts';
import { TargetError } from '../errors.ts';
import type { Address } from '../net/address.ts';
import { connectTarget, openTarget } from './target.ts';
import { writeHeader } from './target-header.ts';

/** How a target is asked: by a connect alone, or by a GET that is answered with 2xx or 3xx. */
export type CheckKind = 'tcp' | { readonly http: string };

export interface CheckRules {
  readonly check: CheckKind;
  /** Said first, where the target wants a PROXY header. */
  readonly header?: Buffer | undefined;
  /** From the end of one check to the next, ms; up to a fifth less, so that many do not ask together. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Random numbers in [0, 1). */
  readonly random: () => number;
}

/** Who hears how a check went. */
export interface Patient {
  passed(): void;
  failed(error: Error): void;
}

/** The part of the interval by which a check may come earlier. */
const SPREAD = 0.2;

/** What is asked for at the end of a check: undefined when the target is well. */
type Verdict = (error: Error | undefined) => void;

/** The checks of one target, one at a time. */
export class HealthCheck {
  readonly #address: Address;
  readonly #rules: CheckRules;
  readonly #patient: Patient;
  #timer: Timer | undefined;
  #abort: (() => void) | undefined;
  #stopped = false;

  constructor(address: Address, rules: CheckRules, patient: Patient) {
    this.#address = address;
    this.#rules = rules;
    this.#patient = patient;
  }

  /** Checks at once, and then in turns. */
  start(): void {
    const { check } = this.#rules;
    const judge: Verdict = (error) => this.#judge(error);
    this.#abort =
      check === 'tcp'
        ? checkTcp(this.#address, this.#rules, judge)
        : checkHttp(this.#address, check.http, this.#rules, judge);
  }

  /** Nothing is asked or told any more, and nothing is left open. */
  stop(): void {
    this.#stopped = true;
    this.#rules.clock.clearTimeout(this.#timer);
    this.#abort?.();
  }

  #judge(error: Error | undefined): void {
    if (this.#stopped) return;
    const { intervalMs, clock, random } = this.#rules;
    this.#timer = clock.setTimeout(() => this.start(), intervalMs * (1 - random() * SPREAD));
    if (error === undefined) this.#patient.passed();
    else this.#patient.failed(error);
  }
}

/** Connects and closes. Returns how to break it off. */
function checkTcp(address: Address, { header, timeoutMs, clock }: CheckRules, judge: Verdict): () => void {
  const connection = connectTarget(address, timeoutMs, clock, () => {
    if (header === undefined) socket.destroy();
    else socket.end(header, () => socket.destroy());
  });
  const { socket } = connection;
  let failure: Error | undefined;
  socket.on('error', (error) => (failure = error));
  socket.once('close', () => judge(connection.connected ? undefined : failure));
  return () => socket.destroy();
}

/** Asks for a page and reads past what it says. Returns how to break it off. */
function checkHttp(address: Address, path: string, rules: CheckRules, judge: Verdict): () => void {
  const { header, timeoutMs, clock } = rules;
  const createConnection = (): Socket => {
    const socket = openTarget(address);
    if (header !== undefined) writeHeader(socket, header);
    return socket;
  };
  // For the Host header. With a connection of its own there is no agent, and nothing is kept for the next time.
  const where = 'path' in address ? {} : address;
  const asked = request({ ...where, path, createConnection });
  let problem: Error | undefined = new TargetError(`GET ${path} was not answered`);
  let answered = false;
  const timer = clock.setTimeout(() => {
    asked.destroy(new TargetError(`GET ${path} was not answered within ${timeoutMs} ms`));
  }, timeoutMs);
  asked.on('response', (response) => {
    answered = true;
    const { statusCode = 0 } = response.resume();
    const well = statusCode >= 200 && statusCode < 400;
    problem = well ? undefined : new TargetError(`GET ${path} was answered with ${statusCode}`);
  });
  asked.on('error', (error) => {
    // What happens to the rest of an answer changes nothing.
    if (!answered) problem = error;
  });
  asked.once('close', () => {
    clock.clearTimeout(timer);
    judge(problem);
  });
  asked.end();
  return () => asked.destroy();
}
