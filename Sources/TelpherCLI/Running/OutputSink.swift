internal import Glibc
internal import TelpherTransport

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
      if error.number == EPIPE { return false }
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
