internal import Synchronization
internal import TelpherWire

/// Counts the readers of a command's two outputs. May be used from any thread.
///
/// An output that has a reader does not grow beyond its window (see `OutputQueue`): its reader is
/// slow, and the command has to wait for it.
final class OutputReaders: Sendable {
  private let output = Atomic<Int>(0)
  private let error = Atomic<Int>(0)

  /// Whether the output has a reader.
  func isRead(_ channel: Channel) -> Bool {
    switch channel {
    case .stdout: output.load(ordering: .relaxed) > 0
    case .stderr: error.load(ordering: .relaxed) > 0
    case .stdin, .terminal, .file, .index: false
    }
  }

  /// Adds (1) or removes (-1) a reader.
  func add(_ difference: Int, _ channel: Channel) {
    switch channel {
    case .stdout: output.add(difference, ordering: .relaxed)
    case .stderr: error.add(difference, ordering: .relaxed)
    case .stdin, .terminal, .file, .index: break
    }
  }
}

/// One reader of an output. An iterator holds it, so it is counted while the loop over the output
/// runs.
final class OutputReader: Sendable {
  private let output: CommandOutput

  init(_ output: CommandOutput) {
    self.output = output
    output.command.readers.add(1, output.channel)
  }

  deinit {
    let command = output.command
    command.readers.add(-1, output.channel)
    // A reader of the other output may now be blocked by this one, and no other event would check.
    command.loop.execute { [connection = command.connection, stream = command.stream] in
      connection.assumeIsolated { _ = $0.with(stream) { $0.growFullOutputIfBlocked() } }
    }
  }
}
