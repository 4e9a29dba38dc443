internal import TelpherCommand
internal import TelpherFileStore
internal import TelpherTransport
internal import TelpherWire

extension ServerCore {
  /// Starts to list the commands that run on all loops.
  ///
  /// - Parameters:
  ///   - last: the id after which the list begins; nil for its beginning.
  ///   - didFinish: called once, later, with the answer.
  /// - Throws: `FileError` (`busy`) if no thread can be started for it.
  func list(
    after last: String?, didFinish: @escaping (CommandListing, CloseResult) -> Void
  ) throws(FileError) -> CommandListing {
    try CommandListing(
      of: table.views(after: last.map { JobID(text: $0) }), on: workers[.change], loop: loop,
      didFinish: didFinish)
  }

  /// Ends a running command, which may belong to another loop, or sends a signal to all its processes.
  ///
  /// - Parameter signal: the signal; if nil, the command is ended as at its deadline.
  /// - Returns: the answer for the client.
  func kill(_ id: String, signal: Int32?) -> CloseResult {
    guard let running = table.running(JobID(text: id)) else {
      return CloseResult(noCommand: id)
    }
    running.onItsLoop { job in
      if let signal { job.signalTree(signal) } else { job.end(.canceled) }
    }
    return CloseResult(.ok)
  }
}

extension CloseResult {
  /// The answer to a request to end a command that does not run.
  init(noCommand id: String) {
    self.init(.failed, message: "no command with the id '\(id)' is running")
  }
}
