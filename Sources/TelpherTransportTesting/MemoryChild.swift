internal import TelpherTransport

/// A `MemoryProcess` as its parent sees it.
final class MemoryChild: ChildProcess {
  let pid: Int32
  let input: (any ByteStream)?
  let output: (any ByteStream)?
  let error: (any ByteStream)?
  var onExit: ((ProcessExit) -> Void)?

  /// The program while it runs; its loop keeps it alive.
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

  func signal(_ signal: Int32) {
    loop.later { [weak process] in process?.receive(signal) }
  }

  func signalTree(_ signal: Int32) {
    self.signal(signal)
  }

  var hasSurvivors: Bool { process != nil }

  /// Nothing to do: there is no tree to track.
  func release() {}

  func didExit(_ exit: ProcessExit) {
    let onExit = onExit
    self.onExit = nil
    onExit?(exit)
  }
}
