package import Glibc

/// Starts a thread that calls `body` and then ends. It can't be joined.
///
/// - Returns: 0, or the error number of pthread_create(3). `body` is then dropped.
package func startThread(_ body: @escaping @Sendable () -> Void) -> Int32 {
  var thread = pthread_t()
  let error = startJoinableThread(&thread, body)
  if error == 0 { pthread_detach(thread) }
  return error
}

/// Starts a thread that calls `body` and then ends. Call pthread_join(3) or pthread_detach(3) for
/// `thread` once.
///
/// - Returns: 0, or the error number of pthread_create(3). `body` is then dropped.
package func startJoinableThread(
  _ thread: inout pthread_t, _ body: @escaping @Sendable () -> Void
) -> Int32 {
  let retained = Unmanaged.passRetained(ThreadBody(body))
  let error = pthread_create(
    &thread, nil,
    { argument in
      guard let argument else { preconditionFailure("the argument is the one passed below") }
      Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().body()
      return nil
    }, retained.toOpaque())
  if error != 0 { retained.release() }
  return error
}

/// Holds a closure as the argument of pthread_create(3).
private final class ThreadBody {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
