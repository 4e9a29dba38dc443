internal import TelpherClient
internal import TelpherTransport

/// Reads this process's standard input with blocking reads, which work for terminals, pipes and
/// files.
actor InputSource {
  /// The most bytes of one read: the capacity of a pipe.
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

  /// Sends all input to `input` and then finishes it. Each chunk waits for credit before the next
  /// one is read.
  ///
  /// - Throws: `Failure` if standard input can't be read.
  nonisolated func forward(to input: CommandInput) async throws {
    while let chunk = try await read() {
      // The command reads no more, or the connection is lost, which is reported elsewhere.
      do { try await input.write(chunk) } catch { return }
    }
    await input.finish()
  }
}
