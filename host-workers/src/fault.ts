// What went wrong with what keeps the rows, told to a client: a status and a sentence. Whether a
// commit that failed was applied nobody knows until the rows are read again. Knows no request.

export class Fault extends Error {
  readonly status: 503 | 507;

  constructor(cause: unknown) {
    const isFull = String(cause).includes("SQLITE_FULL");
    super(
      isFull
        ? "this repository's storage is full: nothing was changed"
        : "this repository's storage failed at this request: try again",
      { cause },
    );
    this.status = isFull ? 507 : 503;
  }
}

// Runs what may fail only by the platform's fault.
export function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof Fault ? error : new Fault(error);
  }
}
