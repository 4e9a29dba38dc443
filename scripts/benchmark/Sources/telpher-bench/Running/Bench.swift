internal import Glibc

/// The settings of one run of the benchmark.
final class Bench: Sendable {
  /// The folder for sockets, keys and configurations.
  let folder: PrivateFolder
  /// The folder with the programs of this build.
  let programs: String
  /// Whether this is a quick run: the suites do little work, so the figures are not reliable.
  let isQuick: Bool
  /// The number of turns of each contestant.
  let rounds: Int
  /// Numbers that make the names of files in the folder unique.
  let names = Counter()

  /// - Throws: `Failure` if the folder cannot be created.
  init(isQuick: Bool, rounds: Int?) throws(Failure) {
    self.isQuick = isQuick
    self.rounds = rounds ?? 3
    folder = try PrivateFolder(in: "/tmp")
    programs = Self.ownFolder()
  }

  /// Returns the path of a program of this build.
  func program(_ name: String) -> String { "\(programs)/\(name)" }

  /// Returns the path of the program of a backend as it is shipped: static, if scripts/bench has put
  /// a static one into the folder `static` of this build.
  func shippedProgram(_ backend: Backend) -> String {
    let path = program("static/\(backend.program)")
    return access(path, X_OK) == 0 ? path : program(backend.program)
  }

  /// Returns `full` for a normal run and `quick` for a quick one.
  func pick<Value>(_ full: Value, quick: Value) -> Value { isQuick ? quick : full }

  /// Measures the contestants in turns, A B C A B C, so that a change in the machine's speed affects
  /// all of them equally. A contestant that fails has no further turns; the table reports the failure.
  ///
  /// - Parameter rounds: the number of turns; nil for the run's default.
  func compare(_ comparison: Comparison, rounds: Int? = nil) async -> ComparisonResult {
    var tallies = comparison.contestants.map { Tally($0) }
    log("  \(comparison.title)")
    for _ in 0..<(rounds ?? self.rounds) {
      for index in tallies.indices where tallies[index].failure == nil {
        do {
          tallies[index].add(try await tallies[index].contestant.measure())
        } catch {
          tallies[index].failure = "\(error)"
          log("    \(tallies[index].contestant.name) failed: \(error)")
        }
      }
    }
    return ComparisonResult(comparison, tallies)
  }

  /// Prints a line about the progress to standard error.
  func log(_ text: String) {
    printLine(text, to: STDERR_FILENO)
  }

  private static func ownFolder() -> String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let length = readlink("/proc/self/exe", &buffer, Int(PATH_MAX))
    precondition(length > 0, "/proc/self/exe is the path of this program")
    let path = buffer.prefix(length).map { UInt8(bitPattern: $0) }
    return String(decoding: path[..<(path.lastIndex(of: UInt8(ascii: "/")) ?? 0)], as: UTF8.self)
  }
}
