internal import ArgumentParser
internal import TelpherClient

/// Makes small requests about files on a server, one after the other.
struct FileReach {
  let server: ServerOptions

  /// Connects and calls `work` for each of `paths`. Reports a request that fails, and goes on.
  ///
  /// - Parameter others: further paths that must be on the same host.
  /// - Throws: `ValidationError` if the paths name several hosts; `ExitCode` if a request failed;
  ///   `Failure` if telpher or the connection failed.
  func perform(
    for paths: [PathArgument], besides others: [PathArgument] = [],
    _ work: (Connection, PathText) async throws -> Void
  ) async throws {
    let server = try server.naming(paths + others)
    var hasFailed = false
    do {
      let connection = try await ServerReach(settings: server.settings).connect(
        embeddedServer: .allowed
      )
      .connection
      for path in paths.map(\.path) {
        do {
          try await work(connection, path)
        } catch let error as FileError {
          Descriptor.complain(
            TransferFailure(path: error.path ?? path.description, message: error.message).line)
          hasFailed = true
        } catch let error as RemovalError {
          TransferOutcome.lines(of: error.failures, count: error.count).forEach(Descriptor.complain)
          hasFailed = true
        }
      }
    } catch {
      throw Failure(error)
    }
    if hasFailed { throw ExitCode(ExitStatus.filesFailed) }
  }
}
