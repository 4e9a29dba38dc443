internal import TelpherClient
internal import TelpherFileStore

/// Keeps the outputs of hosts until they are printed: short ones in memory, the rest on disk.
actor OutputStore {
  /// The longest output of a host in bytes.
  static let longest = 256 << 20
  /// The longest output that `--json` prints, because it must be in memory to be encoded.
  static let longestRecord = 16 << 20
  /// The bytes that are gathered for one write to the disk.
  private static let block = 64 << 10
  /// The longest output that stays in memory when it has ended.
  private static let short = 4 << 10

  /// An output: its bytes in the file, then those in memory.
  struct Output: Sendable {
    fileprivate var ranges: [Range<Int>] = []
    fileprivate var rest: [UInt8] = []
    fileprivate(set) var count = 0
    fileprivate var hasher = FileHasher(.sha256)

    /// Outputs with equal keys have the same bytes.
    var key: String { "\(count) \(hasher.digest)" }
    /// Whether there are no bytes.
    var isEmpty: Bool { count == 0 }
  }

  private let limit: Int
  private let environment: [String: String]
  private var file: SpillFile?
  private let thread = ThreadExecutor.ofItsOwn()
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  /// A store for outputs of at most `limit` bytes.
  init(limit: Int, environment: [String: String]) {
    self.limit = limit
    self.environment = environment
  }

  /// Adds a chunk to an output.
  ///
  /// - Throws: `Failure` if the output is too long or the disk is full.
  func add(_ chunk: Chunk, to output: inout Output) throws(Failure) {
    guard output.count + chunk.count <= limit else {
      throw Failure("the output is longer than \(limit >> 20) MiB", kind: "output_limit")
    }
    chunk.withUnsafeBytes { output.hasher.update($0) }
    output.count += chunk.count
    output.rest.append(contentsOf: chunk)
    if output.rest.count >= Self.block { try spill(&output) }
  }

  /// Ends an output.
  ///
  /// - Throws: `Failure` if the disk is full.
  func finish(_ output: inout Output) throws(Failure) {
    if output.rest.count > Self.short { try spill(&output) }
  }

  /// Forgets the bytes of an output.
  func discard(_ output: Output) {
    for range in output.ranges { file?.free(range) }
  }

  /// Calls `body` with the pieces of an output in order.
  ///
  /// - Throws: `Failure`; what `body` throws.
  func read(_ output: Output, _ body: @Sendable (Chunk) async throws -> Void) async throws {
    for range in output.ranges {
      guard let file else { preconditionFailure("a range is in the file") }
      try await body(Chunk(try file.read(range)))
    }
    if !output.rest.isEmpty { try await body(Chunk(output.rest)) }
  }

  /// All bytes of an output.
  ///
  /// - Throws: `Failure`.
  func bytes(of output: Output) throws(Failure) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(output.count)
    for range in output.ranges {
      guard let file else { preconditionFailure("a range is in the file") }
      bytes += try file.read(range)
    }
    return bytes + output.rest
  }

  private func spill(_ output: inout Output) throws(Failure) {
    let file: SpillFile
    if let made = self.file { file = made } else { file = try SpillFile(environment: environment) }
    self.file = file
    let result: Result<Int, Failure> = output.rest.withUnsafeBytes { bytes in
      do throws(Failure) { return .success(try file.append(bytes)) } catch {
        return .failure(error)
      }
    }
    let start = try result.get()
    let range = start..<(start + output.rest.count)
    if output.ranges.last?.upperBound == start, let last = output.ranges.popLast(),
      last.count < Self.block * 16
    {
      output.ranges.append(last.lowerBound..<range.upperBound)
    } else {
      output.ranges.append(range)
    }
    output.rest = []
  }
}
