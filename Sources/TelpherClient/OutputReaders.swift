internal import Synchronization
internal import TelpherWire

/// Which outputs of a command someone is in the midst of reading. From any thread.
///
/// An output with a reader of its own is not let grow for the sake of the other's: its reader is
/// slow, and the command is to wait for it.
final class OutputReaders: Sendable {
  private let output = Atomic<Int>(0)
  private let error = Atomic<Int>(0)

  /// Whether there is a reader.
  func isRead(_ channel: Channel) -> Bool {
    switch channel {
    case .stdout: output.load(ordering: .relaxed) > 0
    case .stderr: error.load(ordering: .relaxed) > 0
    case .stdin, .terminal, .file, .index: false
    }
  }

  /// A reader has come (1) or gone (-1).
  func add(_ difference: Int, _ channel: Channel) {
    switch channel {
    case .stdout: output.add(difference, ordering: .relaxed)
    case .stderr: error.add(difference, ordering: .relaxed)
    case .stdin, .terminal, .file, .index: break
    }
  }
}

/// One reader: it counts as long as it lives, which is as long as its loop over the output runs.
final class OutputReader: Sendable {
  private let output: CommandOutput

  init(_ output: CommandOutput) {
    self.output = output
    output.command.readers.add(1, output.channel)
  }

  deinit {
    let command = output.command
    command.readers.add(-1, output.channel)
    // Whoever waits for the other output may have to be helped now, and no event would come.
    command.loop.execute { [connection = command.connection, stream = command.stream] in
      connection.assumeIsolated { _ = $0.with(stream) { $0.spillIfStuck() } }
    }
  }
}
