/** How fast something may happen, and how often at once. */
export interface RateLimit {
  readonly perSecond: number;
  readonly burst: number;
}

/** What is left of a limit for one of those it holds for. */
export interface Bucket {
  /** From 0 to the burst, broken ones too. */
  tokens: number;
  /** When that was so, ms of a monotonic clock. */
  at: number;
}

/** Takes a token, or returns false when there is no whole one. */
export function takeToken(bucket: Bucket, now: number, limit: RateLimit): boolean {
  return takeTokens(bucket, now, limit, 1);
}

/**
 * Takes all of `count` tokens, or none of them and returns false. A bucket fills by `perSecond` up to `burst`, reckoned when
 * it is asked, so that none needs a timer. A limit that was changed holds from now on.
 */
export function takeTokens(bucket: Bucket, now: number, { perSecond, burst }: RateLimit, count: number): boolean {
  const tokens = Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.at) * perSecond) / 1000);
  bucket.at = now;
  const taken = tokens >= count;
  bucket.tokens = taken ? tokens - count : tokens;
  return taken;
}

/** How long after the last look at it a bucket has `count` tokens, ms. Never, for more than a burst. */
export function tokensInMs({ tokens }: Bucket, { perSecond }: RateLimit, count: number): number {
  return (Math.max(0, count - tokens) * 1000) / perSecond;
}
