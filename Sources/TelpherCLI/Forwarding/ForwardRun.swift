internal import Glibc
internal import TelpherClient
internal import TelpherTransport

/// Runs a forwarding and prints its events, until a signal or a failure ends it.
struct ForwardRun {
  let forwarding: Forwarding
  /// Whether events are printed as JSON on standard output, not as text on standard error.
  let printsJSON: Bool

  /// The most events that wait until they are printed; further ones are dropped.
  private static let mostUnprinted = 1_024

  /// Runs the forwarding.
  ///
  /// - Parameter reconnect: makes another connection, on the loop of the first, if the server was
  ///   replaced.
  /// - Throws: `ClientError`; `Failure`, whose status is that of the signal.
  @concurrent
  func perform(
    on connection: Connection, reconnect: @escaping @Sendable () async throws -> Connection
  ) async throws {
    let (events, continuation) = AsyncStream.makeStream(
      of: ForwardEvent.self, bufferingPolicy: .bufferingOldest(Self.mostUnprinted))
    // Print on a separate thread and do not wait for it: if nothing reads the events, the
    // connections and the exit must not be delayed.
    Task(executorPreference: ThreadExecutor.ofItsOwn()) {
      for await event in events { report(event) }
    }
    try await withTaskExecutorPreference(connection.loop) {
      let signals = EndingSignals.watch(on: connection.loop)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          try await connection.forward(forwarding, reconnect: reconnect) { continuation.yield($0) }
        }
        group.addTask { try await signals.fail() }
        defer { group.cancelAll() }
        try await group.next()
      }
    }
  }

  private func report(_ event: ForwardEvent) {
    guard printsJSON else {
      switch event {
      case .listening(let address): Descriptor.complain("listening on \(address)")
      case .failed(let peer, let error):
        Descriptor.complain("the connection of \(peer) was reset: \(error.message)")
      }
      return
    }
    // If the reader of the events is gone, the forwarding goes on.
    try? JSONText.print(ForwardRecord(event))
  }
}

/// What `forward --json` prints for each event.
struct ForwardRecord: Encodable, Equatable {
  /// `listening` or `failed`.
  var event: String
  /// `listening`: the address.
  var address: String?
  /// `failed`: the program whose connection was reset.
  var peer: String?
  /// `failed`: the kind of error.
  var error: String?
  /// `failed`: the reason.
  var message: String?

  init(_ event: ForwardEvent) {
    switch event {
    case .listening(let address):
      self.event = "listening"
      self.address = "\(address)"
    case .failed(let peer, let error):
      self.event = "failed"
      self.peer = peer
      self.error = error.code.description.replacing(" ", with: "_")
      message = error.message
    }
  }
}

/// The first signal that is to end this process.
struct EndingSignals {
  private let numbers: AsyncStream<Int32>

  /// Watches the terminating signals from now on, except those that this process ignores.
  static func watch(on loop: any EventLoop) -> EndingSignals {
    let (numbers, continuation) = AsyncStream.makeStream(of: Int32.self)
    loop.execute {
      for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] where !ForwardedSignals.isIgnored(number) {
        _ = try? loop.watch(signal: number) { continuation.yield(number) }
      }
    }
    return EndingSignals(numbers: numbers)
  }

  /// Waits for the first signal.
  ///
  /// - Throws: `Failure` without a message, with the status of a program that the signal has ended;
  ///   `CancellationError`.
  func fail() async throws {
    for await number in numbers {
      var failure = Failure("signal \(number)", kind: "signaled")
      failure.status = ExitStatus.signalBase + number
      failure.isSilent = true
      throw failure
    }
    throw CancellationError()
  }
}
