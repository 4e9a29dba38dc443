internal import ArgumentParser
internal import TelpherClient

/// Small requests about the files of a server, one after the other.
struct FileReach {
  let server: ServerOptions

  /// Connects and does `work` for each of `paths`. One that fails is told and holds up none of the
  /// others.
  ///
  /// - Throws: `ExitCode` where something failed; `Failure` where telpher or the connection did.
  func perform(
    for paths: [PathText], _ work: (Connection, PathText) async throws -> Void
  ) async throws {
    var hasFailed = false
    do {
      let connection = try await ServerReach(options: server).connect(.allowed).connection
      for path in paths {
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
