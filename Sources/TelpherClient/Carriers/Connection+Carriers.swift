internal import TelpherLink
internal import TelpherTransport

extension Connection {
  /// Connects to a server that is copied to its place first if the place lacks it.
  ///
  /// - Parameters:
  ///   - installation: the program to copy.
  ///   - isAllowed: called if the place does not have that program; returns whether to copy it.
  /// - Throws: `ClientError`, as `connect`; `notInstalled` if the program is not allowed or can't be
  ///   stored.
  package static func connect(
    to carrier: Carrier, on loop: any EventLoop, environment: [String: String],
    timeout: Duration?, installing installation: Installation,
    ifAllowed isAllowed: @escaping @Sendable () async -> Bool
  ) async throws -> Connection {
    let connection = Connection(loop: loop)
    try await connection.open(
      through: carrier.route, environment, timeout: timeout,
      installing: (installation, isAllowed))
    return connection
  }

  /// Starts a carrier and a server at its place.
  ///
  /// - Parameter installation: the telpher to copy there first if the place lacks it; nil to run the
  ///   one on the PATH there.
  func open(
    through route: any CarrierRoute, _ environment: [String: String], timeout: Duration?,
    installing installation: (program: Installation, isAllowed: @Sendable () async -> Bool)? = nil
  ) async throws {
    let arguments = route.arguments(
      running: installation?.program.command ?? ["telpher", "serve", "--listen", "stdio"],
      connectTimeout: timeout ?? Self.defaultTimeout)
    let (carrier, lent) = try await spawn(arguments, input: .pipe, route, environment)
    var loan = lent
    let child = carrier.child
    defer { loan?.takeBack(from: child.pid) }
    guard let output = child.output, let input = child.input else {
      preconditionFailure("pipes were asked for")
    }
    let stream = JoinedStream(reading: output, writing: input)
    if let installation {
      let exchange = InstallationExchange(
        stream, on: loop, patience: Self.nanoseconds(timeout ?? Self.loginTimeout))
      carrier.isInstalling = true
      do throws(ClientError) {
        if try await exchange.answer() == .want {
          // The program at the place runs, so ssh has asked all that it asks.
          loan?.takeBack(from: child.pid)
          loan = nil
          guard await installation.isAllowed() else {
            stream.close()
            throw ClientError(.notInstalled, "the copy was not allowed")
          }
          try await exchange.send(installation.program.chunks)
          guard try await exchange.answer() == .have else {
            throw ClientError(.protocolError, "the program was asked for twice")
          }
        }
      } catch {
        stream.close()
        guard error.code == .lost else { throw error }
        await withCheckedContinuation { done in carrier.whenEnded { done.resume() } }
        throw carrier.explain(error, hasAnswered: false)
      }
      carrier.isInstalling = false
    }
    start(
      stream, timeout: timeout ?? Self.defaultTimeout, waitsForLogin: timeout == nil,
      carrier: carrier)
    _ = try await session.hello()
  }

  /// Starts a carrier, and lends it the terminal of this process, if there is one.
  ///
  /// The carrier stays in this process's session because it may ask for a password on the terminal.
  /// It leads its own process group so that Ctrl-C does not end it: this process passes the signal
  /// on.
  private func spawn(
    _ arguments: [String], input: SpawnRequest.Stdio, _ route: any CarrierRoute,
    _ environment: [String: String]
  ) async throws -> (CarrierProcess, TerminalLoan?) {
    var request = SpawnRequest(
      arguments: arguments, environment: environment, input: input, error: .inherit,
      tracksTree: false)
    request.leadsGroup = true
    let loan = TerminalLoan()
    do {
      let carrier = try await spawn(request, route)
      loan?.lend(to: carrier.child.pid)
      return (carrier, loan)
    } catch {
      loan?.takeBack(from: nil)
      throw error
    }
  }

  private func spawn(
    _ request: SpawnRequest, _ route: any CarrierRoute
  ) async throws -> CarrierProcess {
    try await withCheckedThrowingContinuation {
      (done: CheckedContinuation<CarrierProcess, any Error>) in
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
  /// - Throws: `ClientError` (`unreachable`) if the command fails.
  private func output(
    of command: [String], through route: any CarrierRoute, _ environment: [String: String]
  ) async throws -> [UInt8] {
    let (carrier, loan) = try await spawn(
      route.arguments(running: command, connectTimeout: Self.defaultTimeout), input: .null, route,
      environment)
    let child = carrier.child
    defer { loan?.takeBack(from: child.pid) }
    guard let output = child.output else { preconditionFailure("a pipe was asked for") }
    defer { output.close() }
    var bytes: [UInt8] = []
    await withCheckedContinuation { done in
      output.onRead = { chunk in
        if bytes.count < Self.outputLimit { bytes.append(contentsOf: chunk) }
      }
      output.onEnd = { _ in done.resume() }
      output.resumeReading()
    }
    await withCheckedContinuation { done in carrier.whenEnded { done.resume() } }
    try carrier.checkSuccess()
    return bytes
  }

  /// How many bytes of a command's output are kept: it prints one line.
  private static var outputLimit: Int { 64 << 10 }

  /// Removes every telpher that was copied to the place of a carrier.
  ///
  /// - Returns: what was removed, as one line.
  /// - Throws: `ClientError`: `badAddress` if nothing can be run there; `unreachable`.
  package static func uninstall(
    from carrier: Carrier, on loop: any EventLoop, environment: [String: String]
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
