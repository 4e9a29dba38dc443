internal import CLibUV
internal import Glibc
internal import TelpherProcess
internal import TelpherTransport

/// A child process. uv_poll watches its pidfd; its pipes are streams of the loop.
final class UVProcess: ChildProcess, HandleOwner {
  let pid: Int32
  let input: (any ByteStream)?
  let output: (any ByteStream)?
  let error: (any ByteStream)?
  var onExit: ((ProcessExit) -> Void)?

  private let loop: UVLoop
  private let launched: LaunchedProcess
  private var watch: UnsafeMutablePointer<uv_poll_t>?

  /// Takes over a launched child. Returns nil if the child can't be watched or the loop has ended.
  /// The child and its descendants are killed then, because nothing else would end them.
  init?(loop: UVLoop, launched: LaunchedProcess) {
    self.loop = loop
    self.launched = launched
    pid = launched.pid
    guard !loop.isClosing, let watch = Self.watch(launched.pidDescriptor, on: loop) else {
      for descriptor in [launched.input, launched.output, launched.error] {
        if let descriptor { _ = Glibc.close(descriptor) }
      }
      (input, output, error) = (nil, nil, nil)
      Self.abandon(launched)
      return nil
    }
    self.watch = watch
    if launched.isOnTerminal {
      input = launched.input.map { UVTerminalInput($0, on: loop) }
      output = launched.output.map { UVTerminalOutput($0, on: loop) }
      error = nil
    } else {
      input = launched.input.map { UVStream.childPipe($0, on: loop, reads: false) }
      output = launched.output.map { UVStream.childPipe($0, on: loop, reads: true) }
      error = launched.error.map { UVStream.childPipe($0, on: loop, reads: true) }
    }
    Handle.give(watch, to: self)
  }

  func resizeTerminal(to size: TerminalSize) {
    loop.preconditionIsCurrent()
    (output as? UVTerminalOutput)?.resize(to: size)
  }

  func signal(_ signal: Int32) {
    loop.preconditionIsCurrent()
    launched.signalGroup(signal)
  }

  func signalTree(_ signal: Int32) {
    loop.preconditionIsCurrent()
    launched.signalTree(signal)
  }

  var hasSurvivors: Bool {
    loop.preconditionIsCurrent()
    return launched.hasSurvivors
  }

  var mayHaveSurvivors: Bool {
    loop.preconditionIsCurrent()
    return launched.mayHaveSurvivors
  }

  var groupUsage: GroupUsage? {
    loop.preconditionIsCurrent()
    return launched.groupUsage
  }

  func release() {
    loop.preconditionIsCurrent()
    launched.release()
  }

  /// Stops watching the child. The child keeps running.
  func close() {
    onExit = nil
    closeWatch()
  }

  fileprivate func didPoll() {
    guard watch != nil, let exit = launched.reap() else { return }
    let onExit = self.onExit
    self.onExit = nil
    closeWatch()
    onExit?(exit)
  }

  private func closeWatch() {
    guard let watch else { return }
    self.watch = nil
    // libuv stops using the descriptor at once, so it may be closed here.
    Handle.close(watch)
    _ = Glibc.close(launched.pidDescriptor)
  }

  private static func watch(
    _ descriptor: Int32, on loop: UVLoop
  ) -> UnsafeMutablePointer<uv_poll_t>? {
    guard case .success(let watch) = Handle.make({ uv_poll_init(loop.raw, $0, descriptor) }) else {
      return nil
    }
    let status = uv_poll_start(watch, Int32(UV_READABLE.rawValue), childMayHaveEnded)
    precondition(status == 0, "a descriptor that libuv took can be watched")
    return watch
  }

  private static func abandon(_ launched: LaunchedProcess) {
    launched.signalTree(SIGKILL)
    launched.release()
    _ = Glibc.close(launched.pidDescriptor)
  }
}

private func childMayHaveEnded(
  _ handle: UnsafeMutablePointer<uv_poll_t>?, _: Int32, _: Int32
) {
  Handle.owner(of: handle, as: UVProcess.self).didPoll()
}
