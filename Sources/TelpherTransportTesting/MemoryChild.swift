internal import TelpherTransport

/// The parent's handle of a `MemoryProcess`.
final class MemoryChild: ChildProcess {
  let pid: Int32
  let input: (any ByteStream)?
  let output: (any ByteStream)?
  let error: (any ByteStream)?
  var onExit: ((ProcessExit) -> Void)?

  /// The running program; nil once it has ended. The loop keeps it alive.
  weak var process: MemoryProcess?
  private let loop: MemoryLoop

  init(
    pid: Int32, input: MemoryStream?, output: MemoryStream?, error: MemoryStream?,
    on loop: MemoryLoop
  ) {
    self.pid = pid
    self.input = input
    self.output = output
    self.error = error
    self.loop = loop
  }

  func resizeTerminal(to size: TerminalSize) {
    loop.callLater { [weak process] in process?.resizeTerminal(to: size) }
  }

  func signal(_ signal: Int32) {
    loop.callLater { [weak process] in process?.receive(signal) }
  }

  func signalTree(_ signal: Int32) {
    self.signal(signal)
  }

  var hasSurvivors: Bool { process != nil }

  /// Does nothing: there is no tree to track.
  func release() {}

  func didExit(_ exit: ProcessExit) {
    let onExit = onExit
    self.onExit = nil
    onExit?(exit)
  }
}
