internal import Glibc
internal import TelpherTransport

/// The ssh process that carries a connection. Its exit status explains why the connection ended.
/// Use it only on the loop's thread.
final class Carrier {
  /// How long to wait for ssh to exit after its connection has ended, in nanoseconds. After that,
  /// ssh gets SIGTERM, and the error of the connection is reported without ssh's exit status.
  private static let exitTimeout: UInt64 = 2_000_000_000
  /// The exit status of ssh if ssh itself fails (ssh(1), "Exit status").
  private static let ownFailure: Int32 = 255
  /// The exit statuses of a shell if a command does not exist, and if it can't be executed.
  private static let (notFound, notExecutable): (Int32, Int32) = (127, 126)

  let child: any ChildProcess
  private let loop: any EventLoop
  /// The host, with the user if the address has one.
  private let host: String
  /// The ssh command for the host, for messages: `ssh -p 22 me@host`.
  private let command: String
  private var status: ProcessExit.Status?
  private var timer: (any LoopTimer)?
  private var waiting: [() -> Void] = []

  init(_ child: any ChildProcess, host: String, port: UInt16?, on loop: any EventLoop) {
    self.child = child
    self.host = host
    command = "ssh \(port.map { "-p \($0) " } ?? "")\(host)"
    self.loop = loop
    child.onExit = { [weak self] exit in
      self?.status = exit.status
      self?.wake()
    }
  }

  /// Calls `body` when ssh has exited, or after `exitTimeout`; then ssh is ended.
  func whenEnded(_ body: @escaping () -> Void) {
    guard status == nil else { return body() }
    waiting.append(body)
    timer = loop.schedule(after: Self.exitTimeout) { [weak self] in
      self?.child.signal(SIGTERM)
      self?.wake()
    }
  }

  private func wake() {
    timer?.cancel()
    let bodies = waiting
    waiting = []
    bodies.forEach { $0() }
  }

  /// Adds ssh's exit status and its meaning to `error`, which ended the connection.
  ///
  /// - Parameter hasAnswered: whether the remote server has sent HELLO.
  func explain(_ error: ClientError, hasAnswered: Bool) -> ClientError {
    guard let status else { return error }
    if hasAnswered {
      guard error.code == .lost else { return error }
      return ClientError(.lost, "\(error.message); \(Self.text(status))")
    }
    // The client sends no request before the server's HELLO, so nothing was run.
    return ClientError(.unreachable, reason(status, error))
  }

  private func reason(_ status: ProcessExit.Status, _ error: ClientError) -> String {
    switch status {
    case .exited(Self.ownFailure):
      "ssh could not connect to \(host) or log in there (\(Self.text(status))): see its message above; '\(command) true' must work first"
    case .exited(Self.notFound):
      "there is no telpher on \(host) (\(Self.text(status))): put the program into a folder of the PATH there, for example by \(command) 'cat >telpher && sudo install telpher /usr/local/bin/' <\"$(command -v telpher)\"; '\(command) telpher --version' must work"
    case .exited(Self.notExecutable):
      "the telpher on \(host) can't be executed (\(Self.text(status))): '\(command) telpher --version' must work"
    case .exited, .signaled:
      error.code == .protocolError
        ? "\(host) printed something before its telpher started: '\(command) true' must print nothing (\(error.message))"
        : "ssh to \(host) ended before a server answered there (\(Self.text(status)))"
    }
  }

  private static func text(_ status: ProcessExit.Status) -> String {
    switch status {
    case .exited(let code): "ssh's exit status was \(code)"
    case .signaled(let signal, _): "signal \(signal) ended ssh"
    }
  }
}
