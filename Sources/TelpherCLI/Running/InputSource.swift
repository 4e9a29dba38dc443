internal import TelpherClient
internal import TelpherTransport

/// Reads this process's standard input with blocking reads, which work for terminals, pipes and
/// files alike.
actor InputSource {
  /// What one read may bring: as much as a pipe holds.
  private static let readSize = 64 << 10

  private let thread = ThreadExecutor.ofItsOwn()
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private func read() throws -> Chunk? {
    do throws(Descriptor.CallError) {
      return try Descriptor.input.read(upTo: Self.readSize)
    } catch {
      throw Failure("cannot read standard input: \(error.text)")
    }
  }

  /// Sends all there is to `input`, each piece once the command has room for the one before, and
  /// ends it.
  ///
  /// - Throws: `Failure` where it can't be read.
  nonisolated func forward(to input: CommandInput) async throws {
    while let chunk = try await read() {
      // A command that reads no more, or a lost connection: that is told elsewhere.
      do { try await input.write(chunk) } catch { return }
    }
    await input.finish()
  }
}
