internal import Glibc
internal import TelpherTransport

/// Where an output of a command goes.
protocol OutputSink: Sendable {
  /// Takes a piece.
  ///
  /// - Returns: whether more is wanted.
  /// - Throws: `Failure` where the piece could not be kept.
  func write(_ chunk: Chunk) async throws -> Bool
}

/// Passes an output on to a descriptor of this process, with blocking writes.
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
      // Nobody reads it any more, which is how `yes | head -1` ends; SIGPIPE is ignored here.
      if error.number == EPIPE { return false }
      throw Failure("cannot write \(descriptor.name): \(error.text)")
    }
  }
}

/// Keeps an output, up to a limit.
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
        "\(name) is longer than the \(Self.limit >> 20) MiB that --json keeps: run it without --json",
        kind: "output_limit")
    }
    bytes.append(contentsOf: chunk)
    return true
  }
}
