internal import Logging
internal import TelpherClassic

/// Runs a server of a tutorial's dialect as a program: warns the user, listens, and ends it on a
/// signal.
struct ClassicHost {
  let backend: any Backend
  let dialect: ClassicDialect
  let options: ClassicServerOptions
  let logger: Logger

  /// Serves until a signal ends it.
  ///
  /// - Parameter isAccepted: whether the user has accepted that any client can run commands or
  ///   store files (`--i-know`).
  /// - Throws: `Failure`, with the message of any error.
  func serve(at addresses: [ClassicAddress], isAccepted: Bool) async throws {
    do {
      for address in addresses { try warn(address, isAccepted: isAccepted) }
      let parts = try backend.makeServerParts(loops: 1, spawn: nil)
      let signals = ServerSignals.watch(on: parts.loops[0], reapOrphans: parts.reapOrphans)
      let server = try ClassicServer(dialect, on: parts.loops[0], options: options, logger: logger)
      for address in addresses { try Announcement.print(try await server.listen(at: address)) }
      await signals.run(until: nil, ending: server, logger)
      // The loop keeps running: ending it would restore the default action of the signals.
      parts.shutDown()
    } catch {
      throw Failure(error)
    }
  }

  private func warn(_ address: ClassicAddress, isAccepted: Bool) throws(Failure) {
    guard let warning = dialect.warning(at: address, root: options.root) else { return }
    guard isAccepted else { throw Failure("\(warning); use --i-know to start it anyway") }
    Descriptor.complain("warning: \(warning)")
  }
}

extension ClassicServer: EndableServer {
  func endInOrder() async { await stop() }
  nonisolated var remaining: String? { "the commands that run, which are asked to end" }
  func endAtOnce() async { kill() }
}
