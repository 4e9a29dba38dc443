internal import Glibc
internal import TelpherClient
internal import TelpherTransport

/// Reads this process's standard input with blocking reads, which work for terminals, pipes and
/// files.
actor InputSource {
  /// The most bytes of one read: the capacity of a pipe.
  private static let readSize = 64 << 10

  private let thread = ThreadExecutor.ofItsOwn()
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  /// Waits for input; nil at its end.
  ///
  /// - Throws: `Failure` if standard input can't be read.
  func read() throws -> Chunk? {
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

/// Takes an output of a command.
protocol OutputSink: Sendable {
  /// Takes a chunk.
  ///
  /// - Returns: whether the sink takes more.
  /// - Throws: `Failure` if the chunk can't be written or kept.
  func write(_ chunk: Chunk) async throws -> Bool
}

/// Writes an output to a descriptor of this process with blocking writes.
actor DescriptorSink: OutputSink {
  private let descriptor: Descriptor
  private let thread = ThreadExecutor.ofItsOwn()
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
  /// False after a write to a pipe that its reader has closed.
  private(set) var isOpen = true

  init(_ descriptor: Descriptor) {
    self.descriptor = descriptor
  }

  func write(_ chunk: Chunk) throws -> Bool {
    do throws(Descriptor.CallError) {
      try chunk.withUnsafeBytes { (bytes) throws(Descriptor.CallError) in
        try descriptor.write(bytes)
      }
      return true
    } catch {
      // The reader has closed the pipe, as in `yes | head -1`. SIGPIPE is ignored here.
      if error.number == EPIPE {
        isOpen = false
        return false
      }
      throw Failure("cannot write \(descriptor.name): \(error.text)")
    }
  }
}

/// Keeps an output in memory, up to a limit.
actor MemorySink: OutputSink {
  /// The most bytes of one output that `--json` keeps.
  static let limit = 64 << 20

  private let name: String
  private(set) var bytes: [UInt8] = []

  init(name: String) {
    self.name = name
  }

  func write(_ chunk: Chunk) throws -> Bool {
    guard bytes.count + chunk.count <= Self.limit else {
      throw Failure(
        "\(name) is longer than the \(Self.limit >> 20) MiB that --json can keep; run the command without --json",
        kind: "output_limit")
    }
    bytes.append(contentsOf: chunk)
    return true
  }
}
