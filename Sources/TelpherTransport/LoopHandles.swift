/// Work for the end of a turn of the loop: see `EventLoop.atEndOfTurn(_:)`.
public protocol TurnEndTask: AnyObject {
  /// Called when all callbacks of this turn have run.
  func turnDidEnd()
}

/// A one-shot timer. Use it only on its loop's thread.
public protocol LoopTimer: AnyObject {
  /// Stops the timer. Does nothing if it has fired.
  func cancel()
}

/// A watch for a signal to this process. Use it only on its loop's thread.
public protocol SignalWatch: AnyObject {
  /// Ends the watch. The signal has its default action again once it has no watches.
  func cancel()
}

/// A socket from which one loop accepts connections. Use it only on its loop's thread.
public protocol Listener: AnyObject {
  /// Accepts no connection on this loop for `nanoseconds`. Meanwhile clients wait in the socket's
  /// queue. Does nothing during a pause or after `close()`. Connections that were accepted in the
  /// same turn may still be reported.
  func pause(for nanoseconds: UInt64)
  /// Accepts no connection on this loop until `resume()`. Up to 64 connections that the backend is
  /// accepting already may still come; further ones wait in the socket's queue, and none is lost.
  /// It is independent of `pause(for:)`. Does nothing after `close()`.
  func suspend()

  /// Accepts again after `suspend()`, also the connections that have waited.
  func resume()

  /// Stops accepting on this loop. A connection that the backend has taken from the socket's queue
  /// already may still come, before what is passed to `EventLoop.execute` after this call. The bound
  /// socket stays open for other loops until it is closed.
  func close()
}

/// A bound, listening socket that loops can serve.
public protocol BoundSocket: AnyObject, Sendable {
  /// The address where it listens, with the actual port if port 0 was requested.
  var address: SocketAddress { get }
  /// Closes the socket and removes a Unix socket's file. Call it once, from any thread, after all
  /// its listeners are closed.
  func close()
}
