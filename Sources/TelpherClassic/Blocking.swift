internal import TelpherFileStore

/// Runs blocking file calls and digests on a pool of threads, so that no event loop waits for a
/// disk.
enum Blocking {
  /// The threads of this process. With eight, one slow disk delays few other files.
  private static let pool = WorkerPool(limit: 8)

  /// Calls `body` on a thread of the pool and returns or throws its result.
  ///
  /// Each caller waits for its call, so that the calls of one caller run in order.
  static func run<Value: Sendable>(
    _ body: @escaping @Sendable () throws(ClassicError) -> Value
  ) async throws(ClassicError) -> Value {
    let result = await withCheckedContinuation { continuation in
      do throws(FileError) {
        try pool.run { continuation.resume(returning: Result(catching: body)) }
      } catch {
        continuation.resume(returning: .failure(ClassicError(.system, error.message)))
      }
    }
    return try result.get()
  }
}
