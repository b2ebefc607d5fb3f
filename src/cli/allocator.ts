/** Just below glibc's DEFAULT_MMAP_THRESHOLD_MAX on 64-bit systems, bytes: larger blocks teach it nothing. */
const LESSON_BYTES = 30 * 1024 * 1024;

/**
 * Makes the C library keep freed memory at hand instead of returning it to the system at once. Bulk transfers free and
 * allocate read buffers by the megabyte, and each page that was returned is mapped and zeroed again: a fifth of their CPU
 * (docs/performance.md). glibc raises its thresholds to the largest block that was allocated and freed (mallopt(3),
 * M_MMAP_THRESHOLD), so one untouched block does it; with other libraries nothing happens. Up to twice the block's size
 * may stay resident after a load.
 */
export function keepFreedMemory(): void {
  // Freed with the next garbage collection.
  void new ArrayBuffer(LESSON_BYTES);
}
