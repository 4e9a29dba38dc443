internal import TelpherTransport

/// An attempt to reach a server through a carrier, until the server's HELLO: its time limit, the
/// terminal on which the carrier may ask for a password, and its end if it fails.
///
/// `@unchecked Sendable`: it is used only on the loop's thread.
final class CarrierLogin: @unchecked Sendable {
  private let loop: any EventLoop
  private let route: any CarrierRoute
  /// The limit that the user has set; nil for the default.
  private let timeout: Duration?
  private var terminal: LoginTerminal?
  private var timer: (any LoopTimer)?
  private var carrier: CarrierProcess?
  /// Why this side has ended the attempt; nil if it has not.
  private var fault: (any Error)?
  /// Ends the wait of the attempt; each step sets its own.
  var breakOff: (() -> Void)?

  /// Begins an attempt.
  ///
  /// - Parameter timeout: the limit for all of it. Nil: 120 s until the place answers if this
  ///   process has a terminal, on which the user may have to type a password, else 10 s.
  /// - Parameter asks: whether the carrier may ask on the terminal.
  init(_ route: any CarrierRoute, on loop: any EventLoop, timeout: Duration?, asks: Bool) {
    self.loop = loop
    self.route = route
    self.timeout = asks ? timeout : timeout ?? Connection.defaultTimeout
    guard asks else {
      limit()
      return
    }
    terminal = LoginTerminal(
      on: loop,
      didContinue: { [unowned self] in
        if timeout == nil { limit() }
      },
      giveUp: { [unowned self] in
        fail(
          ClientError(
            .unreachable,
            "\(route.program) has a question for the terminal, but this process is in the background"
          ))
      })
    limit()
  }

  /// Starts the time limit. The default one starts again after the whole job was stopped.
  private func limit() {
    guard fault == nil else { return }
    timer?.cancel()
    let limit = Self.limit(timeout, hasTerminal: terminal != nil)
    timer = loop.schedule(after: Connection.nanoseconds(limit)) { [weak self] in
      guard let self else { return }
      let reason =
        timeout == nil && terminal == nil
        ? ", and there is no terminal on which \(route.program) could ask for anything" : ""
      fail(
        ClientError(
          .unreachable,
          "\(route.words.journey): no answer within \(limit.wholeMilliseconds) ms\(reason)"))
    }
  }

  /// The limit of an attempt.
  ///
  /// - Parameters:
  ///   - timeout: the limit that the user has set; nil for the default.
  ///   - hasTerminal: whether the user may have to type a password on a terminal.
  static func limit(_ timeout: Duration?, hasTerminal: Bool) -> Duration {
    timeout ?? (hasTerminal ? Connection.loginTimeout : Connection.defaultTimeout)
  }

  /// The carrier has started.
  func didStart(_ carrier: CarrierProcess) {
    self.carrier = carrier
    guard fault == nil else { return carrier.end() }
    carrier.didExit = { [weak self] status in self?.returnTerminal(after: status) }
    terminal?.lend(to: carrier.child.pid)
  }

  /// The program at the place has answered, so the carrier has asked all that it asks.
  func didReachPlace() {
    returnTerminal(after: nil)
    // What follows has limits of its own.
    if timeout == nil { timer?.cancel() }
  }

  private func returnTerminal(after ending: ProcessExit.Status?) {
    guard let signal = terminal?.takeBack(after: ending) else { return }
    fail(ClientError(interruptedBy: signal))
  }

  /// Ends the attempt and the carrier because of `error`.
  func fail(_ error: any Error) {
    guard fault == nil else { return }
    fault = error
    timer?.cancel()
    carrier?.end()
    breakOff?()
  }

  /// Whether this side has ended the attempt.
  var hasFailed: Bool { fault != nil }

  /// Ends the attempt's hold on the terminal, in any case.
  ///
  /// - Parameter error: why the attempt has failed, as it seems; nil if it has not.
  /// - Returns: why it has failed; nil if it has not. The carrier has then ended.
  func finish(_ error: (any Error)?) async -> (any Error)? {
    timer?.cancel()
    breakOff = nil
    if fault != nil, let carrier {
      await withCheckedContinuation { done in carrier.whenEnded { done.resume() } }
    }
    returnTerminal(after: nil)
    carrier?.didExit = nil
    terminal = nil
    return fault ?? error
  }
}
