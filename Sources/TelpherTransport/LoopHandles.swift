/// Work that waits for the end of a turn of the loop: `EventLoop.atEndOfTurn(_:)`.
public protocol TurnEndTask: AnyObject {
  /// The callbacks of this turn have all run.
  func turnDidEnd()
}

/// A one-shot timer. On its loop's thread only.
public protocol LoopTimer: AnyObject {
  /// Makes sure that the timer does not fire any more. Harmless when it has.
  func cancel()
}

/// Tells of a signal to this process. On its loop's thread only.
public protocol SignalWatch: AnyObject {
  /// Ends the watch; the signal has its default action again once no watch is left.
  func cancel()
}

/// A socket that is being accepted from by one loop. On its loop's thread only.
public protocol Listener: AnyObject {
  /// Ends accepting on this loop. The bound socket stays open for others until it is closed.
  func close()
}

/// A bound, listening socket, before and while loops serve it.
public protocol BoundSocket: AnyObject, Sendable {
  /// Where it listens, with the real port where port 0 was asked for.
  var address: SocketAddress { get }
  /// Closes the socket (once all listeners on it are closed) and removes a Unix socket's file. From
  /// any thread, once.
  func close()
}
