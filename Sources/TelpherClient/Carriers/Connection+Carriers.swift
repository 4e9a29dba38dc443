internal import TelpherLink
package import TelpherTransport

/// The whole environment of a carrier. Variables are bytes: not all are UTF-8.
package typealias CarrierEnvironment = [SystemString: SystemString]

extension Connection {
  /// Connects to a server through a carrier, as `connect(to:)`.
  ///
  /// - Parameter asks: whether the carrier may ask for a password on the terminal. If not, it fails
  ///   instead, and its messages become part of the error; for example, because many connect at once.
  /// - Parameter leadsToOwn: whether the server that is started passes this client on to the user's own
  ///   server there, which runs: a hub.
  package static func connect(
    through carrier: Carrier, on loop: any EventLoop, environment: CarrierEnvironment,
    timeout: Duration?, asks: Bool = true, leadsToOwn: Bool = false
  ) async throws -> Connection {
    let connection = Connection(loop: loop)
    try await connection.open(
      through: asks ? carrier.route : carrier.askingNothing.route, environment, timeout: timeout,
      asks: asks, leadsToOwn: leadsToOwn)
    return connection
  }

  /// Connects to a server that is copied to its place first if the place lacks it. If it may not be
  /// copied, connects to the one on the PATH there, whatever its version.
  ///
  /// - Parameters:
  ///   - installation: the program to copy.
  ///   - asks: as in `connect(through:on:environment:timeout:asks:)`.
  ///   - isAllowed: called if the place does not have that program; returns whether to copy it.
  /// - Throws: `ClientError`, as `connect`; `notInstalled` if the program can't be stored, or is not
  ///   allowed and the place has no other.
  package static func connect(
    to carrier: Carrier, on loop: any EventLoop, environment: CarrierEnvironment,
    timeout: Duration?, asks: Bool = true, installing installation: Installation,
    ifAllowed isAllowed: @escaping @Sendable () async -> Bool
  ) async throws -> Connection {
    let connection = Connection(loop: loop)
    try await connection.open(
      through: asks ? carrier.route : carrier.askingNothing.route, environment, timeout: timeout,
      asks: asks, installing: (installation, isAllowed))
    return connection
  }

  /// Starts a carrier and a server at its place.
  ///
  /// - Parameter installation: the telpher to copy there first if the place lacks it; nil to run the
  ///   one on the PATH there.
  /// - Throws: `ClientError`; `CancellationError` if the task was canceled. The carrier has ended.
  func open(
    through route: any CarrierRoute, _ environment: CarrierEnvironment, timeout: Duration?,
    asks: Bool = true, leadsToOwn: Bool = false,
    installing installation: (program: Installation, isAllowed: @Sendable () async -> Bool)? = nil
  ) async throws {
    try await attempt(route, timeout, asks: asks) { login in
      let arguments = route.arguments(
        running: installation?.program.command
          ?? ["telpher", "serve", "--listen", "stdio"]
          + (leadsToOwn ? ["--relay", "unix:"] : []),
        connectTimeout: timeout ?? Self.defaultTimeout)
      let carrier = try await spawn(
        arguments, input: .pipe, error: asks ? .inherit : .pipe, route, environment, login)
      guard let output = carrier.child.output, let input = carrier.child.input else {
        preconditionFailure("pipes were asked for")
      }
      let stream = JoinedStream(reading: output, writing: input)
      if let installation {
        do {
          try await install(
            installation.program, ifAllowed: installation.isAllowed, over: stream, carrier, login,
            patience: timeout ?? Self.loginTimeout)
        } catch {
          stream.close()
          throw error
        }
      }
      start(
        stream, timeout: timeout ?? Self.defaultTimeout, waitsForLogin: timeout == nil,
        carrier: carrier)
      login.breakOff = { [session] in session.link.abort() }
      if login.hasFailed { session.link.abort() }
      _ = try await session.hello()
    }
  }

  /// Calls `body` with a login through `route`, and ends its carrier if it fails.
  private func attempt<Value>(
    _ route: any CarrierRoute, _ timeout: Duration?, asks: Bool = true,
    _ body: (CarrierLogin) async throws -> Value
  ) async throws -> Value {
    let login = CarrierLogin(route, on: loop, timeout: timeout, asks: asks)
    let loop = loop
    do {
      let value = try await withTaskCancellationHandler {
        try await body(login)
      } onCancel: {
        loop.execute { login.fail(CancellationError()) }
      }
      if let error = await login.finish(nil) { throw error }
      return value
    } catch {
      throw await login.finish(error) ?? error
    }
  }

  /// Copies a program to the place if it lacks it, and starts it there.
  private func install(
    _ program: Installation, ifAllowed isAllowed: @escaping @Sendable () async -> Bool,
    over stream: any ByteStream, _ carrier: CarrierProcess, _ login: CarrierLogin,
    patience: Duration
  ) async throws {
    let exchange = InstallationExchange(stream, on: loop, patience: Self.nanoseconds(patience))
    carrier.isInstalling = true
    login.breakOff = { exchange.end("this side has ended the attempt") }
    if login.hasFailed { login.breakOff?() }
    do throws(ClientError) {
      if try await exchange.answer() == .want {
        login.didReachPlace()
        if await answer(of: isAllowed, unlessEnded: exchange, login) {
          try await exchange.send(program.chunks)
          guard try await exchange.answer() == .have else {
            throw ClientError(.protocolError, "the program was asked for twice")
          }
        } else {
          try await exchange.skip()
        }
      }
    } catch {
      guard error.code == .lost else { throw error }
      await withCheckedContinuation { done in carrier.whenEnded { done.resume() } }
      throw carrier.explain(error, hasAnswered: false)
    }
    carrier.isInstalling = false
  }

  /// The answer of `isAllowed`, which may never come; false if the attempt ends before.
  private func answer(
    of isAllowed: @escaping @Sendable () async -> Bool, unlessEnded exchange: InstallationExchange,
    _ login: CarrierLogin
  ) async -> Bool {
    let (answers, continuation) = AsyncStream.makeStream(of: Bool.self)
    let endExchange = login.breakOff
    login.breakOff = {
      endExchange?()
      continuation.finish()
    }
    defer { login.breakOff = endExchange }
    if login.hasFailed { return false }
    Task {
      continuation.yield(await isAllowed())
      continuation.finish()
    }
    var iterator = answers.makeAsyncIterator()
    return await iterator.next() ?? false
  }

  /// Starts a carrier, and lends it the terminal of this process, if there is one.
  ///
  /// The carrier stays in this process's session because it may ask for a password on the terminal.
  /// It leads its own process group so that Ctrl-C does not end it: this process passes the signal
  /// on.
  private func spawn(
    _ arguments: [String], input: SpawnRequest.Stdio, error: SpawnRequest.Stdio = .inherit,
    _ route: any CarrierRoute, _ environment: CarrierEnvironment, _ login: CarrierLogin
  ) async throws -> CarrierProcess {
    var request = SpawnRequest(
      arguments: arguments.map { SystemString($0) }, environment: environment, input: input,
      error: error, tracksTree: false)
    request.leadsGroup = true
    let carrier = try await spawn(request, route)
    login.didStart(carrier)
    return carrier
  }

  private func spawn(
    _ request: SpawnRequest, _ route: any CarrierRoute
  ) async throws -> CarrierProcess {
    try await withWaitingTask {
      (done: WaitingTask<CarrierProcess>) in
      loop.spawn(request) { result in
        switch result {
        case .success(let child):
          // Create the carrier at once: the process may exit before this actor continues. It stays
          // on the loop, which is this actor's executor.
          nonisolated(unsafe) let carrier = CarrierProcess(child, route: route, on: self.loop)
          done.resume(returning: carrier)
        case .failure(let error):
          done.resume(
            throwing: ClientError(
              .unreachable, "\(error.message) (\(route) needs the program \(route.program))"))
        }
      }
    }
  }

  /// Runs a command at the place of a carrier, without a server.
  ///
  /// - Returns: its standard output, at most `outputLimit` bytes.
  /// - Throws: `ClientError` (`unreachable`) if the command fails; `CancellationError`.
  private func output(
    of command: [String], through route: any CarrierRoute, _ environment: CarrierEnvironment
  ) async throws -> [UInt8] {
    try await attempt(route, nil) { login in
      let carrier = try await spawn(
        route.arguments(running: command, connectTimeout: Self.defaultTimeout), input: .null, route,
        environment, login)
      guard let output = carrier.child.output else { preconditionFailure("a pipe was asked for") }
      defer { output.close() }
      var bytes: [UInt8] = []
      let (ends, continuation) = AsyncStream.makeStream(of: Void.self)
      output.onRead = { chunk in
        login.didReachPlace()
        if bytes.count < Self.outputLimit { bytes.append(contentsOf: chunk) }
      }
      output.onEnd = { _ in continuation.finish() }
      login.breakOff = { continuation.finish() }
      if !login.hasFailed {
        output.resumeReading()
        for await _ in ends {}
      }
      await withCheckedContinuation { done in carrier.whenEnded { done.resume() } }
      try carrier.checkSuccess()
      return bytes
    }
  }

  /// How many bytes of a command's output are kept: it prints one line.
  private static var outputLimit: Int { 64 << 10 }

  /// Removes every telpher that was copied to the place of a carrier.
  ///
  /// - Returns: what was removed, as one line.
  /// - Throws: `ClientError`: `badAddress` if nothing can be run there; `unreachable`.
  package static func uninstall(
    from carrier: Carrier, on loop: any EventLoop, environment: CarrierEnvironment
  ) async throws -> String {
    guard carrier.canInstall else {
      throw ClientError(.badAddress, "telpher copies nothing to \(carrier)")
    }
    let bytes = try await Connection(loop: loop).output(
      of: Installation.removal, through: carrier.route, environment)
    let text = String(decoding: bytes, as: UTF8.self)
    return text.hasSuffix("\n") ? String(text.dropLast()) : text
  }
}
