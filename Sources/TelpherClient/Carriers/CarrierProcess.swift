internal import Glibc
internal import TelpherTransport

/// The process that carries a connection, such as ssh. Its exit status explains why the connection
/// ended. Use it only on the loop's thread.
final class CarrierProcess {
  /// How long to wait for the process to exit after its connection has ended, in nanoseconds: first
  /// for its own end, and again after SIGTERM. Then its group gets SIGKILL, and the error of the
  /// connection is reported without an exit status.
  private static let exitTimeout: UInt64 = 1_000_000_000

  let child: any ChildProcess
  private let loop: any EventLoop
  private let route: any CarrierRoute
  /// Whether telpher is being copied to the place.
  var isInstalling = false
  /// How it has ended; nil while it runs.
  private(set) var status: ProcessExit.Status?
  /// Called once when it has ended.
  var didExit: ((ProcessExit.Status) -> Void)?
  /// Whether this side has ended it. Its status then explains nothing.
  private var wasEnded = false
  private var timer: (any LoopTimer)?
  private var waiting: [() -> Void] = []
  /// The messages of the process, if it has a pipe for them: the first bytes.
  private var messages: [UInt8] = []
  /// How many bytes of its messages are kept: some lines.
  private static let messageLimit = 4 << 10
  /// How long to wait for the rest of its messages after it has exited, in nanoseconds: a process
  /// that it has left in the background may hold the pipe.
  private static let messageTimeout: UInt64 = 200_000_000
  private var hasAllMessages = true
  /// How it has ended, also while the rest of its messages is awaited.
  private var exitStatus: ProcessExit.Status?

  init(_ child: any ChildProcess, route: any CarrierRoute, on loop: any EventLoop) {
    self.child = child
    self.route = route
    self.loop = loop
    child.onExit = { [weak self] exit in
      guard let self else { return }
      exitStatus = exit.status
      if hasAllMessages { return didEnd() }
      _ = loop.schedule(after: Self.messageTimeout) { [weak self] in self?.didEnd() }
    }
    guard let error = child.error else { return }
    hasAllMessages = false
    error.onRead = { [weak self] chunk in
      guard let self, messages.count < Self.messageLimit else { return }
      messages.append(contentsOf: chunk)
    }
    error.onEnd = { [weak self, weak error] _ in
      error?.close()
      self?.hasAllMessages = true
      self?.didEnd()
    }
    error.resumeReading()
  }

  private func didEnd() {
    guard let exitStatus, status == nil else { return }
    status = exitStatus
    didExit?(exitStatus)
    didExit = nil
    wake()
  }

  /// Where the messages of the process are: its last one, or above on the terminal.
  private var message: String {
    let last = messages.split(separator: UInt8(ascii: "\n")).last { line in
      line.contains { $0 > 0x20 }
    }
    guard let last else {
      return child.error == nil ? "see its message above" : "it gave no reason"
    }
    return String(decoding: last.filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
  }

  /// Calls `body` when the process has exited, or was killed because it did not.
  func whenEnded(_ body: @escaping () -> Void) {
    guard status == nil else { return body() }
    waiting.append(body)
    guard timer == nil else { return }
    timer = loop.schedule(after: Self.exitTimeout) { [weak self] in self?.end() }
  }

  /// Ends the process and those that it has started: by SIGTERM, and by SIGKILL after `exitTimeout`.
  func end() {
    guard exitStatus == nil, !wasEnded else { return }
    timer?.cancel()
    signalGroup(SIGTERM)
    awaitEndAfterSignal()
  }

  private func awaitEndAfterSignal() {
    timer = loop.schedule(after: Self.exitTimeout) { [weak self] in
      self?.signalGroup(SIGKILL)
      self?.wake()
    }
  }

  /// Sends `signal` to the process and those that it has started; a stopped one continues.
  private func signalGroup(_ signal: Int32) {
    // It was not reaped, so its process group has its number.
    guard exitStatus == nil else { return }
    wasEnded = true
    kill(-child.pid, signal)
    kill(-child.pid, SIGCONT)
  }

  private func wake() {
    timer?.cancel()
    timer = nil
    let bodies = waiting
    waiting = []
    bodies.forEach { $0() }
  }

  /// Adds the exit status of the process and its meaning to `error`, which ended the connection.
  ///
  /// - Parameter hasAnswered: whether the remote server has sent HELLO.
  func explain(_ error: ClientError, hasAnswered: Bool) -> ClientError {
    guard let status, !wasEnded else { return error }
    if hasAnswered {
      guard error.code == .lost else { return error }
      return ClientError(.lost, "\(error.message); \(text(status))")
    }
    let failure = failure(status)
    if isInstalling, failure != .program {
      return ClientError(
        .notInstalled,
        "telpher could not be copied to \(route.words.place) (\(text(status))): see the message above"
      )
    }
    // The client sends no request before the server's HELLO, so nothing was run.
    switch failure {
    case .notFound, .notExecutable: return ClientError(.notInstalled, reason(status, error))
    case .program, .unknown: return ClientError(.unreachable, reason(status, error))
    }
  }

  /// - Throws: `ClientError` if the process failed, or has not ended.
  func checkSuccess() throws(ClientError) {
    guard let status else {
      throw ClientError(.unreachable, "\(route.program) did not end")
    }
    if case .exited(0) = status { return }
    throw ClientError(
      .unreachable, "\(route.words.journey) failed (\(text(status))): see the message above")
  }

  private func failure(_ status: ProcessExit.Status) -> CarrierFailure {
    if case .exited(let code) = status { route.meaning(of: code) } else { .unknown }
  }

  private func reason(_ status: ProcessExit.Status, _ error: ClientError) -> String {
    let words = route.words
    switch failure(status) {
    case .program:
      return
        "\(route.program) could not \(words.task) (\(text(status))): \(message); '\(words.check)' must work first"
    case .notFound:
      return
        "there is no telpher \(words.location) (\(text(status))): put the program into a folder of the PATH there, for example by \(words.copy); '\(words.version)' must work"
    case .notExecutable:
      return
        "the telpher \(words.location) can't be executed (\(text(status))): '\(words.version)' must work"
    case .unknown:
      return error.code == .protocolError
        ? "\(words.place) printed something before its telpher started: '\(words.check)' must print nothing (\(error.message))"
        : "\(words.journey) ended before a server answered there (\(text(status)))"
    }
  }

  private func text(_ status: ProcessExit.Status) -> String {
    switch status {
    case .exited(let code): "\(route.program)'s exit status was \(code)"
    case .signaled(let signal, _): "signal \(signal) ended \(route.program)"
    }
  }
}
