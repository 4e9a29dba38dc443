/// A running child process. Use it only on its loop's thread; the callbacks come on that thread.
public protocol ChildProcess: AnyObject {
  /// The process id. It belongs to the child until `onExit` is called.
  var pid: Int32 { get }

  /// Writes to the child's standard input; nil unless a pipe or a terminal was asked for. For a
  /// terminal, `write` types, and `finishWriting()` types the end-of-file character if the terminal
  /// reads lines at that moment; it closes nothing.
  var input: (any ByteStream)? { get }
  /// Reads the child's standard output; nil unless a pipe or a terminal was asked for. A terminal's
  /// output ends when no process has the terminal open any more. Once both `output` and `input` are
  /// closed, the terminal hangs up: its processes get SIGHUP.
  var output: (any ByteStream)? { get }
  /// Reads the child's standard error; nil unless a pipe was asked for.
  var error: (any ByteStream)? { get }

  /// Called once when the child has ended. Its pipes may still hold output, and other processes may
  /// still hold the pipes open.
  var onExit: ((ProcessExit) -> Void)? { get set }

  /// Sets the size of the child's terminal: its foreground process group gets SIGWINCH. Does nothing
  /// if the child has no terminal, or once `output` is closed.
  func resizeTerminal(to size: TerminalSize)

  /// Sends `signal` to the child's process group (kill(2) with a negative id), as a terminal does.
  /// Does nothing if the group is empty.
  func signal(_ signal: Int32)

  /// Sends `signal` to every descendant of this child, including those in other sessions and
  /// groups, as far as `EventLoop.killScope` reaches. SIGKILL is repeated until no new process is
  /// found. If the request did not set `tracksTree`, it does the same as `signal(_:)`.
  func signalTree(_ signal: Int32)

  /// Whether any process of the child's tree still exists. A zombie does not count.
  var hasSurvivors: Bool { get }

  /// As `hasSurvivors`, but may also return true if a check is too expensive at the moment: call it
  /// again some milliseconds later.
  var mayHaveSurvivors: Bool { get }

  /// What the control group of a child with limits has counted so far; nil without such a group.
  /// Read it before `release()`.
  var groupUsage: GroupUsage? { get }

  /// Ends the tracking of the tree once the child has exited. Remaining processes keep running. The
  /// pipes stay open; close each of them separately.
  func release()
}

extension ChildProcess {
  /// No group.
  public var groupUsage: GroupUsage? { nil }

  /// The same as `hasSurvivors`, whatever the check costs.
  public var mayHaveSurvivors: Bool { hasSurvivors }
}
