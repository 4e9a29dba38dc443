internal import TelpherFiles

/// Calls that block: files are read and written on threads of their own, and digests made there, so
/// that no loop waits for a disk.
enum Blocking {
  /// The threads of this process. Eight: a disk that is slow for one file holds up few others.
  private static let pool = WorkerPool(limit: 8)

  /// Calls `body` on one of the threads and returns, or throws, what it did. One caller's calls are
  /// made one after the other, since it waits for each.
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
