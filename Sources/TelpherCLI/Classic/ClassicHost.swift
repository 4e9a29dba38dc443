internal import Logging
internal import TelpherClassic

/// A server of a tutorial's dialect as a program: its addresses, its signals and its end.
struct ClassicHost {
  let backend: any Backend
  let dialect: ClassicDialect
  let options: ClassicServerOptions
  let logger: Logger

  /// Serves until it is told to end.
  ///
  /// - Parameter isAccepted: whether the user knows who can run commands or store files then.
  /// - Throws: `Failure`, `ClassicError`, `TransportError` where it can't listen.
  func serve(at addresses: [ClassicAddress], isAccepted: Bool) async throws {
    do {
      for address in addresses { try warn(address, isAccepted: isAccepted) }
      let parts = try backend.makeServerParts(loops: 1, spawn: nil)
      let signals = ServerSignals.watch(on: parts.loops[0], reapOrphans: parts.reapOrphans)
      let server = try ClassicServer(dialect, on: parts.loops[0], options: options, logger: logger)
      for address in addresses { try Announcement.print(try await server.listen(at: address)) }
      await signals.run(until: nil, ending: server, logger)
      // Not the loop: with it the signals' default action would come back.
      parts.shutDown()
    } catch {
      throw Failure(error)
    }
  }

  private func warn(_ address: ClassicAddress, isAccepted: Bool) throws(Failure) {
    guard let warning = dialect.warning(at: address, root: options.root) else { return }
    guard isAccepted else { throw Failure("\(warning); say --i-know to start it all the same") }
    Descriptor.complain("warning: \(warning)")
  }
}

extension ClassicServer: EndableServer {
  func endInOrder() async { await stop() }
  nonisolated var remaining: String { "the commands that run, which are asked to end" }
  func endAtOnce() async { kill() }
}
