internal import Glibc

/// Counts the allocations of another process by a preloaded library (CTelpherBenchAllocations).
struct AllocationCount: Sendable {
  /// The path of the file that contains the count.
  let path: String
  /// The variables that make another process load the library.
  let environment: [String: String]

  /// - Throws: `Failure` if the library was not built or the file cannot be written.
  init(_ bench: Bench) throws(Failure) {
    let library = bench.program("libbench-allocations.so")
    guard access(library, R_OK) == 0 else { throw Failure("\(library) was not built") }
    let zero = String(repeating: "\0", count: 8)
    path = try bench.folder.write(zero, to: "allocations-\(bench.names.next())")
    environment = ["LD_PRELOAD": library, "TELPHER_BENCH_COUNTS": path]
  }

  /// Returns the number of allocations so far.
  ///
  /// - Throws: `Failure` if nothing was counted, which means that the library was not loaded.
  func read() throws(Failure) -> UInt64 {
    guard let count = Self.read(path), count > 0 else { throw Failure("nothing was counted") }
    return count
  }

  /// Returns the number in the file at `path`; nil if it cannot be read.
  static func read(_ path: String) -> UInt64? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var count: UInt64 = 0
    return Glibc.read(file, &count, 8) == 8 ? count : nil
  }
}
