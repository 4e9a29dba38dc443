internal import Glibc

/// Counts another process's allocations, by a library that is loaded into it (CTelpherBenchAllocations).
struct AllocationCount: Sendable {
  /// The file that holds the count.
  let path: String
  /// What the other process needs in its environment.
  let environment: [String: String]

  /// - Throws: `Failure` where the library or the file can't be had.
  init(_ bench: Bench) throws(Failure) {
    let library = bench.program("libbench-allocations.so")
    guard access(library, R_OK) == 0 else { throw Failure("\(library) was not built") }
    let zero = String(repeating: "\0", count: 8)
    path = try bench.folder.write(zero, to: "allocations-\(bench.names.next())")
    environment = ["LD_PRELOAD": library, "TELPHER_BENCH_COUNTS": path]
  }

  /// The allocations so far.
  ///
  /// - Throws: `Failure` where none were counted, since the library was not loaded.
  func read() throws(Failure) -> UInt64 {
    guard let count = Self.read(path), count > 0 else { throw Failure("nothing was counted") }
    return count
  }

  /// The number in the file at `path`.
  static func read(_ path: String) -> UInt64? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var count: UInt64 = 0
    return Glibc.read(file, &count, 8) == 8 ? count : nil
  }
}
