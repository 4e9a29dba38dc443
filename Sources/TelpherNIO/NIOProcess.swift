internal import Glibc
internal import NIOCore
internal import TelpherProcess
internal import TelpherTransport

/// A child process that swift-subprocess has started. swift-subprocess waits for it after `forget`
/// was called.
final class NIOProcess: ChildProcess, LoopHandle {
  let pid: Int32
  let input: (any ByteStream)?
  let output: (any ByteStream)?
  let error: (any ByteStream)?
  var onExit: ((ProcessExit) -> Void)?

  private let loop: NIOLoop
  /// The processes that came from the child. Nil if they are not tracked.
  private let tree: ProcessTree?
  /// The group that holds the limits of the child's tree. Nil if it has none.
  private let limited: ResourceGroup?
  private let guardSlot: CommandGuard.Slot?
  private let commandGuard: CommandGuard?
  /// Lets swift-subprocess wait for the child. After that, another process may get the child's id.
  /// Nil once called.
  var forget: (() -> Void)?
  private var hasExited = false
  private var isReleased = false

  /// Creates the child's handle. The child stays a zombie until `forget` is called. The caller sets
  /// `forget`.
  init(
    pid: Int32, tree: ProcessTree?, limited: ResourceGroup?, guardSlot: CommandGuard.Slot?,
    guardedBy commandGuard: CommandGuard?, input: NIOStream?, output: NIOStream?, error: NIOStream?,
    on loop: NIOLoop
  ) {
    self.pid = pid
    self.tree = tree
    self.limited = limited
    self.guardSlot = guardSlot
    self.commandGuard = commandGuard
    self.input = input
    self.output = output
    self.error = error
    self.loop = loop
    loop.keep(self)
  }

  deinit {
    forget?()
  }

  /// Watches for the child's exit. Until then the loop keeps this object alive.
  func watch(by exits: ExitHub, _ pidDescriptor: Int32) throws(ErrorNumber) {
    let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
    try exits.add(pidDescriptor) { [loop] in loop.execute { bound.value.didEnd() } }
  }

  /// Does nothing: `NIOLaunch` gives no child a terminal.
  func resizeTerminal(to size: TerminalSize) {}

  func signal(_ signal: Int32) {
    loop.preconditionIsCurrent()
    guard forget != nil else { return }
    kill(tree == nil ? pid : -pid, signal)
  }

  func signalTree(_ signal: Int32) {
    loop.preconditionIsCurrent()
    guard let tree else { return self.signal(signal) }
    if !isReleased && forget != nil { tree.signal(signal) }
  }

  var hasSurvivors: Bool {
    loop.preconditionIsCurrent()
    guard let tree else { return !hasExited }
    return !isReleased && forget != nil && tree.hasSurvivors
  }

  var groupUsage: GroupUsage? {
    loop.preconditionIsCurrent()
    return isReleased ? nil : limited?.usage
  }

  func release() {
    loop.preconditionIsCurrent()
    if !isReleased, let guardSlot { commandGuard?.free(guardSlot) }
    isReleased = true
    limited?.remove()
    if hasExited { forgetChild() }
  }

  /// Stops watching the child. The child keeps running.
  func close() {
    onExit = nil
    forgetChild()
    loop.remove(self)
  }

  private func didEnd() {
    guard !hasExited, forget != nil, let exit = ProcessExit(ofChild: pid, keeping: true) else {
      return
    }
    hasExited = true
    loop.remove(self)
    let onExit = self.onExit
    self.onExit = nil
    onExit?(exit)
    if tree == nil || isReleased { forgetChild() }
  }

  private func forgetChild() {
    let forget = self.forget
    self.forget = nil
    forget?()
  }
}
