internal import Glibc
internal import NIOCore
internal import TelpherSystem
internal import TelpherTransport

/// A child process that swift-subprocess has started and will wait for, once it may.
final class NIOProcess: ChildProcess, LoopHandle {
  let pid: Int32
  let input: (any ByteStream)?
  let output: (any ByteStream)?
  let error: (any ByteStream)?
  var onExit: ((ProcessExit) -> Void)?

  private let loop: NIOLoop
  /// What came from it; nil where that is not tracked.
  private let tree: ProcessTree?
  private let guardSlot: CommandGuard.Slot?
  private let commandGuard: CommandGuard?
  /// Has swift-subprocess wait for the child, after which its id may be a stranger's.
  var forget: (() -> Void)?
  private var hasExited = false
  private var isReleased = false

  /// The child, which is kept as a zombie until it may be forgotten. The owner sets `forget`.
  init(
    pid: Int32, tree: ProcessTree?, guardSlot: CommandGuard.Slot?,
    guardedBy commandGuard: CommandGuard?, input: NIOStream?, output: NIOStream?, error: NIOStream?,
    on loop: NIOLoop
  ) {
    self.pid = pid
    self.tree = tree
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

  /// Watches for its exit. It is kept by the loop until then.
  func watch(by exits: ExitHub, _ pidDescriptor: Int32) throws(ErrorNumber) {
    let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
    try exits.add(pidDescriptor) { [loop] in loop.execute { bound.value.didEnd() } }
  }

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

  func release() {
    loop.preconditionIsCurrent()
    if !isReleased, let guardSlot { commandGuard?.free(guardSlot) }
    isReleased = true
    if hasExited { letGo() }
  }

  /// Ends the watch: the child is left to itself.
  func close() {
    onExit = nil
    letGo()
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
    if tree == nil || isReleased { letGo() }
  }

  private func letGo() {
    let forget = self.forget
    self.forget = nil
    forget?()
  }
}
