internal import Glibc
internal import TelpherTransport

/// The ssh that carries a connection: how it ended says why the connection did. On the loop only.
final class Carrier {
  /// How long ssh has to end behind its connection before the connection's own end must do as a
  /// reason.
  private static let patience: UInt64 = 2_000_000_000
  /// What ssh ends with if it fails itself: ssh(1), "Exit status".
  private static let ownFailure: Int32 = 255
  /// What a shell ends with if a command is not there, and if it can't be executed.
  private static let (notFound, notExecutable): (Int32, Int32) = (127, 126)

  let child: any ChildProcess
  private let loop: any EventLoop
  /// The host, with the user if one was named.
  private let host: String
  /// How the user reaches it by hand: `ssh -p 22 me@host`.
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

  /// Calls `body` once ssh has ended, or has had the time to.
  func whenEnded(_ body: @escaping () -> Void) {
    guard status == nil else { return body() }
    waiting.append(body)
    timer = loop.schedule(after: Self.patience) { [weak self] in self?.wake() }
  }

  private func wake() {
    timer?.cancel()
    let bodies = waiting
    waiting = []
    bodies.forEach { $0() }
  }

  /// `error`, by which the connection ended, with what ssh's end says of it.
  ///
  /// - Parameter hasAnswered: whether the server at the far end said HELLO.
  func explain(_ error: ClientError, hasAnswered: Bool) -> ClientError {
    guard let status else { return error }
    if hasAnswered {
      guard error.code == .lost else { return error }
      return ClientError(.lost, "\(error.message); \(Self.text(status))")
    }
    // No request goes before the server's HELLO, so nothing was run.
    return ClientError(.unreachable, reason(status, error))
  }

  private func reason(_ status: ProcessExit.Status, _ error: ClientError) -> String {
    switch status {
    case .exited(Self.ownFailure):
      "ssh could not connect to \(host) or log in there (\(Self.text(status))): what it said is above; '\(command) true' must work first"
    case .exited(Self.notFound):
      "there is no telpher on \(host) (\(Self.text(status))): put the program into a folder of the PATH there, for example by \(command) 'cat >telpher && sudo install telpher /usr/local/bin/' <\"$(command -v telpher)\"; '\(command) telpher --version' must work"
    case .exited(Self.notExecutable):
      "the telpher on \(host) can't be executed (\(Self.text(status))): '\(command) telpher --version' must work"
    case .exited, .signaled:
      error.code == .protocolError
        ? "\(host) said something before its telpher did: '\(command) true' must print nothing (\(error.message))"
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
