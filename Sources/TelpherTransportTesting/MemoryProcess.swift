internal import Glibc
package import TelpherTransport

/// The process that a `MemoryProgram` runs in: a child of a `MemoryLoop`, as the program sees it.
///
/// Use it only on the loop's thread. The standard streams always exist: an input that the parent
/// did not connect is at its end, and an output accepts and drops all bytes. They start paused,
/// like every stream.
package final class MemoryProcess {
  /// The parent's request.
  package let request: SpawnRequest
  /// The program's name and arguments as text.
  package var arguments: [String] { request.arguments.map(\.description) }
  /// The whole environment, as text.
  package var environment: [String: String] {
    let variables = request.environment.variables.map { ($0.description, $1.description) }
    return Dictionary(variables) { $1 }
  }
  /// The loop on which the program runs: for timers, connections and further children.
  package let loop: MemoryLoop
  /// Standard input.
  package let input: any ByteStream
  /// Standard output.
  package let output: any ByteStream
  /// Standard error; the same stream as `output` if the parent requested that.
  package let error: any ByteStream

  /// The size of its terminal; nil if it has none. A terminal in memory has no line discipline: all
  /// bytes pass unchanged. SIGWINCH comes after each change.
  package private(set) var terminalSize: TerminalSize?

  /// Called with each signal except SIGKILL and SIGSTOP. It returns true if it has handled the
  /// signal, and may call `exit`. If it returns false, the signal has its default action, which
  /// ends the program for most signals.
  package var onSignal: ((Int32) -> Bool)?

  /// The parent's view.
  let child: MemoryChild
  private var program: MemoryProgram?
  private var handle = 0
  private var exitCode: Int32?
  private var hasEnded = false
  private var unreportedStatus: ProcessExit.Status?
  /// The signals that came before the program's first turn, in which it sets its handlers.
  private var earlySignals: [Int32] = []

  /// Whether the program is running. The program's own timers and callbacks should check it first.
  package var isRunning: Bool { !hasEnded }

  init(_ request: SpawnRequest, program: MemoryProgram, on loop: MemoryLoop) {
    self.request = request
    self.program = program
    self.loop = loop
    terminalSize = request.terminal
    let hasTerminal = request.terminal != nil
    let input = StandardPipe(hasTerminal ? .pipe : request.input, isInput: true, on: loop)
    let output = StandardPipe(hasTerminal ? .pipe : request.output, isInput: false, on: loop)
    let isJoined = hasTerminal || request.error == .sameAsOutput
    let error = isJoined ? nil : StandardPipe(request.error, isInput: false, on: loop)
    self.input = input.inner
    self.output = output.inner
    self.error = error?.inner ?? output.inner
    child = MemoryChild(
      pid: loop.network.makeProcessID(),
      input: input.outer, output: output.outer, error: error?.outer, on: loop)
    child.process = self
    handle = loop.add(self)
    // The program starts after the parent has received the child and set its callbacks.
    loop.wakeSoon(handle)
  }

  /// Ends the program with the low 8 bits of `code`, once its output has been written to its pipes
  /// (as for a program with blocking writes). Only the first call counts.
  package func exit(_ code: Int32) {
    loop.checkIsolated()
    guard exitCode == nil, !hasEnded else { return }
    exitCode = code & 0xFF
    for stream in [output, error] {
      stream.onWritable = { [unowned self] in loop.wakeSoon(handle) }
      stream.onWriteFailure = { [unowned self] _ in loop.wakeSoon(handle) }
    }
    loop.wakeSoon(handle)
  }

  /// Ends the program at once, as if `signal` had killed it.
  package func die(by signal: Int32) {
    loop.checkIsolated()
    end(.signaled(signal, coreDumped: false))
  }

  func receive(_ signal: Int32) {
    guard !hasEnded else { return }
    guard program == nil else { return earlySignals.append(signal) }
    let isCatchable = signal != SIGKILL && signal != SIGSTOP
    if isCatchable, onSignal?(signal) == true { return }
    // The signals whose default action is not to end the process (signal(7)), and the null signal.
    let harmless = [0, SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU]
    if !harmless.contains(signal) { die(by: signal) }
  }

  func resizeTerminal(to size: TerminalSize) {
    guard terminalSize != nil, !hasEnded else { return }
    terminalSize = size
    receive(SIGWINCH)
  }

  private func end(_ status: ProcessExit.Status) {
    guard !hasEnded else { return }
    closeAll()
    // The loop keeps this handle until the parent's `onExit` has been called.
    unreportedStatus = status
    loop.wakeSoon(handle)
  }

  private func closeAll() {
    hasEnded = true
    program = nil
    onSignal = nil
    child.process = nil
    for stream in [input, output, error] { stream.close() }
  }
}

extension MemoryProcess: MemoryHandle {
  func didWake() {
    if let status = unreportedStatus {
      unreportedStatus = nil
      loop.remove(handle)
      child.didExit(ProcessExit(status: status, usage: ResourceUsage()))
      return
    }
    if let program {
      self.program = nil
      program.main(self)
      for signal in earlySignals { receive(signal) }
      earlySignals = []
    }
    if let exitCode, output.queuedBytes == 0, error.queuedBytes == 0 {
      end(.exited(code: exitCode))
    }
  }

  func shutDown() {
    closeAll()
    child.onExit = nil
  }
}

/// The two ends of a child's standard stream.
private struct StandardPipe {
  /// The program's end.
  let inner: MemoryStream
  /// The parent's end; nil unless it asked for a pipe.
  let outer: MemoryStream?

  init(_ stdio: SpawnRequest.Stdio, isInput: Bool, on loop: MemoryLoop) {
    let isPipe = stdio == .pipe
    let pipe = MemoryPipe(
      capacity: loop.network.options.pipeCapacity, discards: !isPipe && !isInput)
    let reader = MemoryEndpoint(incoming: pipe, outgoing: nil, peer: .inherited)
    let writer = MemoryEndpoint(incoming: nil, outgoing: pipe, peer: .inherited)
    inner = MemoryStream(isInput ? reader : writer, on: loop)
    outer = isPipe ? MemoryStream(isInput ? writer : reader, on: loop) : nil
    if isInput, !isPipe { pipe.finish() }
  }
}
