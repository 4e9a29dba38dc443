/// A running child process. On its loop's thread only; callbacks come there.
public protocol ChildProcess: AnyObject {
  /// The process id; it stays the child's until `onExit` was called.
  var pid: Int32 { get }

  /// Writes to the child's standard input; nil unless a pipe was asked for.
  var input: (any ByteStream)? { get }
  /// Reads the child's standard output; nil unless a pipe was asked for.
  var output: (any ByteStream)? { get }
  /// Reads the child's standard error; nil unless a pipe was asked for.
  var error: (any ByteStream)? { get }

  /// Called once when the child has ended. Its pipes may still hold output, and other processes may
  /// still hold its pipes.
  var onExit: ((ProcessExit) -> Void)? { get set }

  /// Sends `signal` to the child's process group (kill(2) with a negative id), as a terminal would.
  /// Nothing happens when nobody is left there.
  func signal(_ signal: Int32)

  /// Sends `signal` to every process that came from this child, those in sessions and groups of
  /// their own included, as far as `EventLoop.killScope` reaches. SIGKILL is repeated inside until
  /// nobody new turns up. Only where the request asked for `tracksTree`; else as `signal(_:)`.
  func signalTree(_ signal: Int32)

  /// Whether any process that came from this child is still there (a zombie is not).
  var hasSurvivors: Bool { get }

  /// As `hasSurvivors`, but may be true as well where looking is too dear at the moment: it is to be
  /// asked again some milliseconds later.
  var mayHaveSurvivors: Bool { get }

  /// Ends the tracking of the tree once the child has exited: what still runs is left to itself.
  /// The pipes are not touched; each is closed by itself.
  func release()
}

extension ChildProcess {
  /// Whether any is left, whatever looking costs.
  public var mayHaveSurvivors: Bool { hasSurvivors }
}
